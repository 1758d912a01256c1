"""The Celery tasks that a worker registers are exactly the ones that are documented and woken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from threadrun.status import Stage
from worker.tick import TASK_OF_STAGE

ROOT = Path(__file__).parents[2]


def registered_tasks() -> list[str]:
    """Ask a fresh interpreter, for the app reads its settings when it is imported."""
    code = (
        "import json; from worker.app import app; app.loader.import_default_modules(); app.finalize(); "
        "print(json.dumps(sorted(app.tasks)))"
    )
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env
    )
    names: list[str] = json.loads(done.stdout)
    return names


def test_every_stage_has_its_task_and_there_is_no_other() -> None:
    assert registered_tasks() == sorted({*TASK_OF_STAGE.values(), "runs.enqueue", "tools.execute"})


def test_every_stage_but_done_can_be_woken() -> None:
    assert set(TASK_OF_STAGE) == set(Stage) - {Stage.DONE}


def test_one_file_a_task() -> None:
    files = [path for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__"]

    assert len(files) == len(registered_tasks())
