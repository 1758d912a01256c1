"""Send the outputs of settled tool calls."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.status import Stage
from worker.app import app
from worker.process import process


@app.task(name="runs.submit_tool_outputs")
def submit_tool_outputs(profile: str) -> Mapping[str, int]:
    """Advance the profile's due runs in stage submit; a lost or doubled message only changes when."""
    return process.runs.serve(Stage.SUBMIT, profile)
