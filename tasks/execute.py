"""Run one tool call in its handler."""

from __future__ import annotations

from worker.app import app
from worker.call_request import CallRequest
from worker.process import process
from worker.store.ledger import CallAddress


@app.task(name="tools.execute", Request=CallRequest)
def execute(run_key: str, round_: int, index: int) -> str:
    """Run the call that the ledger holds under these coordinates, if it is still to be run."""
    return process.handlers.execute(CallAddress(str(run_key), int(round_), int(index)))
