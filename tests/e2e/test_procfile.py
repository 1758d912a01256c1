"""The Procfile as honcho starts it: both workers and Flower, all three from one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess

ROOT = Path(__file__).parents[2]
LOGIN = ("operator", "a-long-password")


HANDLERS = """
from threadrun import tool

@tool
def add(a: int, b: int) -> int:
    return a + b
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Redis and run server; the workers come from honcho."""
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "sums.py").write_text(HANDLERS)
    with LocalStack(["sums"], checkout=ROOT, paths=[folder], runs_workers=0, tools_workers=0) as stack:
        yield stack


@pytest.fixture(scope="module")
def flower_url(stack: LocalStack) -> Iterator[str]:
    port = free_port()
    env = {
        **stack.env,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "THREADRUN_FLOWER__USER": LOGIN[0],
        "THREADRUN_FLOWER__PASSWORD": LOGIN[1],
        "THREADRUN_FLOWER__PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "honcho", "-f", str(ROOT / "Procfile"), "-d", str(ROOT), "start"]
    honcho = GuardedProcess(command, log=stack.folder / "honcho.log", env=env, cwd=ROOT)
    try:
        honcho.wait_until(lambda: ready(stack, url), 60)
        yield url
        assert honcho.stop(60) in {0, 128 + signal.SIGTERM}
        assert {worker.alive for worker in stack.client.stats().workers} == set()
    finally:
        with suppress(TimeoutError):
            honcho.stop(60)  # its processes have groups of their own: only honcho can end them
        honcho.close()


def ready(stack: LocalStack, url: str) -> bool | None:
    alive = {worker.kind for worker in stack.client.stats().workers if worker.alive}
    try:
        shown = httpx.get(f"{url}/api/workers", params={"refresh": "1"}, auth=LOGIN, timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return None
    return (alive == {"runs", "tools"} and len(shown) == 2) or None


def seen_tasks(url: str) -> dict[str, dict[str, str]]:
    tasks: dict[str, dict[str, str]] = httpx.get(f"{url}/api/tasks", auth=LOGIN, timeout=5).json()
    return tasks


def test_a_run_from_a_second_process_completes_and_flower_shows_its_tasks(
    stack: LocalStack, flower_url: str
) -> None:
    text = 'call add {"a": 20, "b": 22}\nsay A secret number is $1.'
    command = [
        sys.executable,
        "-m",
        "threadrun.cli",
        "enqueue",
        "asst_demo",
        "--message",
        text,
        "--tool",
        "add",
    ]
    command += ["--key", "from-a-shell", "--wait", "--timeout", "30"]

    done = subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert stack.client.get("from-a-shell").output_text == "A secret number is 42."
    tasks = seen_tasks(flower_url)
    names = {task["name"] for task in tasks.values()}
    assert {"runs.create", "tools.execute", "runs.submit_tool_outputs"} <= names
    (call,) = [task for task in tasks.values() if task["name"] == "tools.execute"]
    assert call["args"] == "['from-a-shell', 1, 0]"
    assert "secret" not in str(tasks)


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/api/tasks"])
def test_flower_asks_for_a_login(flower_url: str, path: str) -> None:
    assert httpx.get(flower_url + path, timeout=5).status_code == 401
    assert httpx.get(flower_url + path, auth=LOGIN, timeout=5, follow_redirects=True).status_code == 200


def test_flower_takes_no_orders(flower_url: str) -> None:
    worker = next(iter(httpx.get(f"{flower_url}/api/workers", auth=LOGIN, timeout=5).json()))

    answer = httpx.post(f"{flower_url}/api/worker/shutdown/{worker}", auth=LOGIN, timeout=5)

    assert answer.status_code == 403
