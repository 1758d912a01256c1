"""Send tool calls to their queues, again where needed, and watch over them."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.status import Stage
from worker.app import app
from worker.process import process


@app.task(name="runs.dispatch_tool_calls")
def dispatch_tool_calls(profile: str) -> Mapping[str, int]:
    """Advance the profile's due runs in stage tools; a lost or doubled message only changes when."""
    return process.runs.serve(Stage.TOOLS, profile)
