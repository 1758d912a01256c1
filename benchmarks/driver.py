"""A process that carries runs and nothing else, so that its CPU is the contender's own.

It is given the run server's base URL. The benchmark writes one JSON line for each batch of runs to its standard
input, and gets one line back:

    → [{"at_seconds": 0.0, "script": "…", …}, …]
    ← [{"run_id": "run_…", "began_at": unix seconds, "ended_at": unix seconds, "text": "…"}, …]

It ends when its input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from benchmarks.workload import Plan

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, from which its packages are imported."""

END_SECONDS = 10.0
"""How long the process may take to end after its last batch."""


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


Carry = Callable[[Sequence[Plan]], Sequence[Ended]]
"""Carry runs, each begun at its time."""


class Driver:
    """Run a module as the process that carries."""

    def __init__(self, module: str, server_url: str, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, server_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=None if env is None else dict(env),
            text=True,
        )
        # Not None: both were asked for.
        self._plans = cast("IO[str]", self._process.stdin)
        self._ended = cast("IO[str]", self._process.stdout)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def carry(self, plans: Sequence[Plan]) -> list[Ended]:
        """Have runs carried, and wait for the last.

        Raises:
            RuntimeError: The process ended; what it had to say is on standard error.
        """
        self._plans.write(json.dumps([asdict(plan) for plan in plans]) + "\n")
        self._plans.flush()
        line = self._ended.readline()
        if not line:
            raise RuntimeError(f"the process that carried the runs ended with {self._process.wait()}")
        return [Ended(**item) for item in json.loads(line)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plans.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended.close()


def serve(carry: Carry) -> None:
    """Be that process: carry each batch that comes in."""
    for line in sys.stdin:
        ended = carry([Plan(**item) for item in json.loads(line)])
        sys.stdout.write(json.dumps([asdict(one) for one in ended]) + "\n")
        sys.stdout.flush()
