"""Create threads and runs at the provider."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.status import Stage
from worker.app import app
from worker.process import process


@app.task(name="runs.create")
def create(profile: str) -> Mapping[str, int]:
    """Advance the profile's due runs in stage create; a lost or doubled message only changes when."""
    return process.runs.serve(Stage.CREATE, profile)
