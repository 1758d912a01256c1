"""How long it takes until one can begin."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.driver import ROOT
from threadrun.testing import LocalStack

TIMES = 5

IMPORT = "import time; began = time.perf_counter(); import threadrun; print(time.perf_counter() - began)"
"""Timed inside, so that the interpreter's own start does not count."""

CLIENT = f"{IMPORT.partition('; print')[0]}; threadrun.RunClient; print(time.perf_counter() - began)"
"""The same with the client, which most imports are for."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """Tell it in seconds."""

    import_seconds: float
    """`import threadrun`, in a fresh interpreter."""
    client_seconds: float
    """The same, and `RunClient` taken from it."""
    runs_worker_seconds: float
    """From the command to the first heartbeat."""
    tools_worker_seconds: float


def start_up() -> StartUp:
    """Time each several times, and take the medians."""
    with LocalStack(["benchmarks.handlers"], checkout=ROOT, runs_workers=0, tools_workers=0) as stack:
        workers = {kind: median(_start(stack, kind) for _ in range(TIMES)) for kind in ("runs", "tools")}
    return StartUp(_timed(IMPORT), _timed(CLIENT), workers["runs"], workers["tools"])


def _start(stack: LocalStack, kind: str) -> float:
    began = time.monotonic()
    index = stack.start(kind)
    seconds = time.monotonic() - began
    stack.kill(kind, index)
    return seconds


def _timed(program: str) -> float:
    command = [sys.executable, "-c", program]
    return median(
        float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        for _ in range(TIMES)
    )
