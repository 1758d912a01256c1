"""config/supervisord.conf as a deployment runs it: a killed worker comes back, a stopped one finishes its handler."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import HERE, ROOT, Effects
from tests.e2e.test_crashes import QUICK, until
from tests.ports import free_port
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess

MARK = "E2E_SUPERVISOR_MARK"
ROOMS = ("config", "tasks", "threadrun", "worker")


class Deployment:
    """A copy of the checkout whose supervisord.conf keeps its socket and pid file in a folder of its own."""

    def __init__(self, folder: Path, env: Mapping[str, str], edit: Callable[[str], str] = str) -> None:
        self.root = folder / "checkout"
        for room in ROOMS:
            shutil.copytree(ROOT / room, self.root / room, ignore=shutil.ignore_patterns("__pycache__"))
        self._configuration = self.root / "config" / "supervisord.conf"
        text, paths = re.subn("/tmp/threadrun-", f"{folder}/", self._configuration.read_text())
        assert paths == 3
        self._configuration.write_text(edit(text))
        python = Path(sys.executable).parent
        self.env = {**env, "PATH": f"{python}{os.pathsep}{os.environ['PATH']}", MARK: str(folder)}
        self.killed: set[int] = set()
        """Workers that had no time to say goodbye."""
        self.process = GuardedProcess(
            [str(python / "supervisord"), "-c", str(self._configuration)],
            log=folder / "supervisord.log",
            env=self.env,
            cwd=self.root,
        )

    def control(self, *words: str) -> str:
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self._configuration), *words]
        done = subprocess.run(
            command, env=self.env, cwd=self.root, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def states(self) -> dict[str, str]:
        return {line.split()[0]: line.split()[1] for line in self.control("status").splitlines()}

    def wait_for_workers(self, stack: LocalStack) -> None:
        """Wait until a worker of each kind has said in Redis that it lives."""

        def alive() -> bool | None:
            kinds = {worker.kind for worker in stack.client.stats().workers if worker.alive}
            return kinds == {"runs", "tools"} or None

        self.process.wait_until(alive, 60)

    def pid(self, kind: str) -> int:
        return int(self.control("pid", f"{kind}:{kind}_0"))

    def kill(self, kind: str) -> int:
        pid = self.pid(kind)
        os.kill(pid, signal.SIGKILL)
        self.killed.add(pid)
        return pid

    def left(self) -> list[str]:
        """Name every process that was started here and still lives."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.env[MARK] and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found

    def close(self) -> None:
        with suppress(TimeoutError):
            self.process.stop(60)  # its processes have groups of their own: only supervisord can end them
        self.process.close()


@pytest.fixture(scope="module")
def stack(effects_file: Path) -> Iterator[LocalStack]:
    """Redis and run server; the workers come from supervisord."""
    env = {
        **QUICK,
        "E2E_EFFECTS_FILE": str(effects_file),
        "THREADRUN_FLOWER__USER": "operator",
        "THREADRUN_FLOWER__PASSWORD": "a-long-password",
        "THREADRUN_FLOWER__PORT": str(free_port()),
    }
    with LocalStack(
        ["handlers"], checkout=ROOT, paths=[HERE], env=env, runs_workers=0, tools_workers=0
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def supervised(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("supervisor"), stack.env)
    try:
        deployment.wait_for_workers(stack)
        yield deployment
        assert deployment.process.stop(60) == 0
        # Everyone else has said goodbye; that of a killed one is never said, and it is listed for a day.
        assert {worker.pid for worker in stack.client.stats().workers} == deployment.killed
        assert deployment.left() == []
    finally:
        deployment.close()


def at_the_first_end(text: str) -> str:
    """Give up at once, for the sake of time, and however slowly this machine starts a worker."""
    return text.replace("startretries=10", "startretries=0").replace("startsecs=10", "startsecs=60")


def test_a_worker_that_cannot_start_ends_supervisord_so_that_it_is_seen(
    stack: LocalStack, tmp_path: Path
) -> None:
    env = {**stack.env, "THREADRUN_NO_SUCH_SETTING": "1"}
    deployment = Deployment(tmp_path, env, at_the_first_end)
    give_up_at = time.monotonic() + 30
    while deployment.process.running and time.monotonic() < give_up_at:
        time.sleep(0.05)
    ended = not deployment.process.running
    deployment.close()

    log = deployment.process.log_text()
    assert ended, log
    assert '"supervisor.gave_up"' in log
    assert "THREADRUN_NO_SUCH_SETTING: is not a setting" in log
    assert deployment.left() == []


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_a_killed_worker_comes_back_and_its_run_completes(
    supervised: Deployment, stack: LocalStack, effects: Effects, kind: str
) -> None:
    text = 'call slow_idempotent {"seconds": 1}\nthink 1\nsay Told: $1'
    run = stack.client.enqueue("asst_demo", messages=text, tools=["slow_idempotent"])
    until(run, lambda record: bool(effects(record.key)))  # its handler has been entered

    killed = supervised.kill(kind)
    record = run.wait(40)

    assert (record.outcome, record.output_text) == ("completed", "Told: took 1 s")
    assert supervised.pid(kind) not in {killed, 0}


def test_stopping_waits_for_the_handler_and_loses_nothing(
    supervised: Deployment, stack: LocalStack, effects: Effects
) -> None:
    text = 'call slow {"seconds": 3}\nsay Told: $1'
    supervised.wait_for_workers(stack)
    run = stack.client.enqueue("asst_demo", messages=text, tools=["slow"])
    until(run, lambda record: bool(effects(record.key)))  # its handler has been entered

    began = time.monotonic()
    told = supervised.control("stop", "tools:*")
    took = time.monotonic() - began
    states = supervised.states()
    record = run.wait(30)

    assert "tools:tools_0: stopped" in told
    assert states["tools:tools_0"] == "STOPPED"
    assert {states["runs:runs_0"], states["fatal"], states["flower"]} <= {"STARTING", "RUNNING"}
    assert 1 < took < 20
    assert (record.tool_calls[0].kind, record.tool_calls[0].attempts) == ("ok", 1)
    assert record.output_text == "Told: took 3 s"
    assert effects(record.key) == {"slow": 1}
