"""A process that carries runs and nothing else, so that its CPU is the contender's own.

The benchmark writes one JSON line for each batch of runs to its standard input, and gets one line back:

    → {"server_url": "http://…/v1", "plans": [{"at_seconds": 0.0, "script": "…"}, …]}
    ← [{"run_id": "run_…", "began_at": unix seconds, "ended_at": unix seconds, "text": "…"}, …]

It ends when its input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from benchmarks.workload import Plan

END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """Tell how a run ended for its caller."""

    run_id: str
    began_at: float
    """When the caller began with it, unix seconds; later than planned if the caller could not keep up."""
    ended_at: float
    """When its answer was at the caller's disposal."""
    text: str
    """The answer."""


Carry = Callable[[str, Sequence[Plan]], Sequence[Ended]]
"""Carry runs at the server with this base URL, each begun at its time."""


class Driver:
    """Run a module as the process that carries."""

    def __init__(self, module: str, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if env is None else dict(env),
            text=True,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def carry(self, server_url: str, plans: Sequence[Plan]) -> list[Ended]:
        """Have runs carried, and wait for the last.

        Raises:
            RuntimeError: The process ended; what it had to say is on standard error.
        """
        batch = {"server_url": server_url, "plans": [asdict(plan) for plan in plans]}
        assert self._process.stdin is not None and self._process.stdout is not None  # as asked for above
        self._process.stdin.write(json.dumps(batch) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that carried the runs ended with {self._process.wait()}")
        return [Ended(**item) for item in json.loads(line)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def serve(carry: Carry) -> None:
    """Be that process: carry each batch that comes in."""
    for line in sys.stdin:
        batch = json.loads(line)
        ended = carry(batch["server_url"], [Plan(**plan) for plan in batch["plans"]])
        sys.stdout.write(json.dumps([asdict(one) for one in ended]) + "\n")
        sys.stdout.flush()
