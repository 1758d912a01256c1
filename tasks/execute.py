"""Run one tool call in its handler."""

from __future__ import annotations

from typing import Any

from worker.app import app
from worker.call_request import CallRequest
from worker.process import process
from worker.store.ledger import CallAddress


@app.task(name="tools.execute", bind=True, Request=CallRequest)
def execute(self: Any, run_key: str, round_: int, index: int) -> str:
    """Run the call that the ledger holds under these coordinates, if it is still to be run."""
    hard_limit_seconds = (self.request.timelimit or (None,))[0]
    return process.handlers.execute(CallAddress(run_key, round_, index), hard_limit_seconds)
