"""The workers of an experiment: groups of a `runs` and a `tools` worker, killed and started in a blink."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from threadrun.client import RunClient
from threadrun.testing.procfile import procfile_command

ROOT = Path(__file__).parents[2]
KINDS = ("runs", "tools")

PATIENCE_SECONDS = 60.0
"""How long a start or an ordered end may take."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Name one process, which is also the leader of its process group."""

    kind: str
    group: int
    pid: int
    log: Path


class Crew:
    """Start, kill and stop workers; whatever ends this process, they end with it."""

    def __init__(self, folder: Path, env: Mapping[str, str], groups: int) -> None:
        self.workers: dict[tuple[str, int], Worker] = {}
        """Who is at work, by kind and group."""
        self.groups = groups
        self._folder = folder
        self._env = env
        self._codes: dict[int, int] = {}
        self._answers = threading.Condition()
        self._pids: list[int] = []
        self._ready = threading.Event()
        self._starts = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.chaos.cradle"]
        with (self._folder / "cradle.log").open("ab") as log:
            self._cradle = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                cwd=ROOT,
                text=True,
            )
        threading.Thread(target=self._listen, name="cradle", daemon=True).start()
        if not self._ready.wait(PATIENCE_SECONDS):
            raise RuntimeError(f"the cradle is not ready:\n{(self._folder / 'cradle.log').read_text()}")
        for group in range(self.groups):
            self.start_group(group)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in list(self.workers.values()):
            self.kill(worker)
        if self._cradle.stdin is not None:
            self._cradle.stdin.close()
        self._cradle.wait(PATIENCE_SECONDS)

    def start_group(self, group: int) -> None:
        """Start both workers of a group; they are not waited for."""
        for kind in KINDS:
            self.start(kind, group)

    def start(self, kind: str, group: int) -> Worker:
        """Start a worker as the Procfile says, in place of the one before."""
        self._starts += 1
        log = self._folder / f"{kind}{group}.log"
        argv = procfile_command(ROOT, kind, f"{kind}{group}.{self._starts}@%h")
        # What `python -m celery …` would be called with.
        order = {"argv": argv[argv.index("celery") :], "log": str(log)}
        assert self._cradle.stdin is not None
        self._cradle.stdin.write(json.dumps(order) + "\n")
        self._cradle.stdin.flush()
        worker = Worker(kind, group, self._await_pid(), log)
        self.workers[kind, group] = worker
        return worker

    def kill(self, worker: Worker) -> None:
        """Kill a worker and all its children at once, as a crash of its machine would."""
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)

    def kill_group(self, group: int) -> None:
        """Kill both workers of a group."""
        for kind in KINDS:
            self.kill(self.workers[kind, group])

    def ask_to_end(self, worker: Worker) -> None:
        """Send a worker SIGTERM, as a supervisor does."""
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)

    def exit_code(self, worker: Worker, timeout_seconds: float = PATIENCE_SECONDS) -> int | None:
        """Wait for a worker's end; none: it has not ended in time."""
        with self._answers:
            self._answers.wait_for(lambda: worker.pid in self._codes, timeout_seconds)
            return self._codes.get(worker.pid)

    def ended_by_itself(self) -> list[Worker]:
        """Name workers that are gone without having been asked."""
        with self._answers:
            return [worker for worker in self.workers.values() if worker.pid in self._codes]

    def replace_ended(self) -> int:
        """Start anew who ended without having been asked, as a supervisor does; gives how many."""
        ended = self.ended_by_itself()
        for worker in ended:
            self.start(worker.kind, worker.group)
        return len(ended)

    def wait_until_ready(self, client: RunClient) -> None:
        """Wait until every worker of the crew has said that it lives.

        Raises:
            RuntimeError: One does not come up.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        wanted = {worker.pid for worker in self.workers.values()}
        while wanted - {worker.pid for worker in client.stats().workers if worker.alive}:
            if time.monotonic() > give_up_at or self.ended_by_itself():
                raise RuntimeError(f"workers are not ready:\n{self.log_tails()}")
            time.sleep(0.05)

    def log_tails(self, lines: int = 15) -> str:
        """Read the end of each log."""
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-lines:]) for log in logs
        )

    def log_count(self, text: str) -> int:
        """Count how often a text stands in the logs of the workers."""
        return sum(log.read_text(errors="replace").count(text) for log in self._folder.glob("*[0-9].log"))

    def _await_pid(self) -> int:
        with self._answers:
            if not self._answers.wait_for(lambda: self._pids, PATIENCE_SECONDS):
                raise RuntimeError(f"a worker could not be forked: {shlex.quote(str(self._folder))}")
            return self._pids.pop()

    def _listen(self) -> None:
        assert self._cradle.stdout is not None
        with self._cradle.stdout as told:
            for line in told:
                self._take(json.loads(line))

    def _take(self, told: dict[str, Any]) -> None:
        with self._answers:
            match told:
                case {"pid": pid}:
                    self._pids.append(pid)
                case {"ended": pid, "code": code}:
                    self._codes[pid] = code
                case _:
                    self._ready.set()
            self._answers.notify_all()
