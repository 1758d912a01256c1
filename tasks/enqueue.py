"""Enqueue a run for callers who do not have the package: the one message that carries content."""

from __future__ import annotations

from typing import Any

from config.content_tasks import ContentRequest
from threadrun.errors import IdempotencyConflict, InvalidRequest, Problem, ThreadBusy
from worker.app import app
from worker.process import process


@app.task(
    name="runs.enqueue",
    Request=ContentRequest,
    acks_late=True,
    ignore_result=False,
    throws=(InvalidRequest, IdempotencyConflict, ThreadBusy),
)
def enqueue(request: dict[str, Any]) -> str:
    """Enqueue the run of a JSON request and give back its key.

    The request must bring its `idempotency_key`: the message is acknowledged late and may come twice.
    """
    if not isinstance(request, dict) or not request.get("idempotency_key"):
        raise InvalidRequest([Problem("idempotency_key", "is required in a message, which may come twice")])
    options = dict(request)
    return process.runs.client.enqueue(options.pop("assistant_id", ""), **options).key
