"""Cancel runs, until the provider shows that they have ended."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.status import Stage
from worker.app import app
from worker.process import process


@app.task(name="runs.cancel")
def cancel(profile: str) -> Mapping[str, int]:
    """Advance the profile's due runs in stage cancel; a lost or doubled message only changes when."""
    return process.runs.serve(Stage.CANCEL, profile)
