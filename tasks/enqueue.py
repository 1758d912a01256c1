"""Enqueue a run for callers who do not have the package: the one message that carries content."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery.exceptions import Reject

from config.content_tasks import ContentRequest
from threadrun.errors import (
    IdempotencyConflict,
    InvalidRequest,
    Problem,
    RecordDamaged,
    StoreUnavailable,
    ThreadBusy,
)
from worker.app import app
from worker.process import process

AGAIN_SECONDS = 1.0
"""How long a message rests here before it goes back to the queue."""

log = structlog.get_logger("threadrun.enqueue")


@app.task(
    name="runs.enqueue",
    Request=ContentRequest,
    acks_late=True,
    ignore_result=False,
    throws=(InvalidRequest, IdempotencyConflict, ThreadBusy, RecordDamaged),
)
def enqueue(request: dict[str, Any]) -> str:
    """Enqueue the run of a JSON request and give back its key.

    The request must bring its `idempotency_key`: the message is acknowledged late and may come twice. While Redis
    does not take the run, the message goes back to the queue, for the broker may be another server.
    """
    if not isinstance(request, dict) or not request.get("idempotency_key"):
        raise InvalidRequest([Problem("idempotency_key", "is required in a message, which may come twice")])
    options = dict(request)
    try:
        return process.runs.client.enqueue(options.pop("assistant_id", ""), **options).key
    except StoreUnavailable as unavailable:
        log.warning("message.put_back", run_key=request["idempotency_key"], reason=unavailable.reason)
        time.sleep(AGAIN_SECONDS)
        raise Reject(requeue=True) from None
