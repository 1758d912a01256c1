"""Arrows between the rooms run down only, and importing the contract costs a web app nothing it did not ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

HEAVY = ("celery", "kombu", "httpx", "aiohttp", "starlette", "uvicorn", "typer", "pytest", "flower")
"""What `import threadrun` must never bring into a web app's process."""


def test_the_import_contract_is_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_threadrun_loads_neither_celery_nor_an_http_stack() -> None:
    code = f"import sys, threadrun; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "[]"


def test_importing_a_room_does_no_work() -> None:
    """No module but the app and Flower's configuration reads settings or connects when it is imported."""
    code = (
        "import importlib, pkgutil, sys\n"
        "import threadrun, config, worker\n"
        "skip = {'worker.app', 'config.flowerconfig', 'threadrun.testing.__main__', 'threadrun.cli.__main__'}\n"
        "for room in (threadrun, config, worker):\n"
        "    for found in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "        if found.name not in skip:\n"
        "            importlib.import_module(found.name)\n"
        "import threading; print(threading.active_count())\n"
    )
    env = {"PATH": "/usr/bin", "THREADRUN_NO_SUCH_SETTING": "would be refused if settings were read"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=env
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
