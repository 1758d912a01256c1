"""What workers take that have nothing to do."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.cpu import cpu_of, used
from benchmarks.driver import ROOT
from benchmarks.memory import held_bytes
from threadrun.testing import LocalStack

SETTLE_SECONDS = 5.0
"""What came of their start has gone by then."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Tell the shares of one core, and the memory."""

    runs_share: float
    tools_share: float
    redis_share: float
    runs_mb: float
    tools_mb: float


def idle(seconds: float) -> Idle:
    """Watch a worker of each kind that has nothing to do."""
    with LocalStack(["benchmarks.handlers"], checkout=ROOT) as stack:
        time.sleep(SETTLE_SECONDS)
        pids = {"runs": stack.pid("runs"), "tools": stack.pid("tools"), "redis": stack.redis.pid}
        before = cpu_of(pids)
        time.sleep(seconds)
        share = {name: cpu / seconds for name, cpu in used(before, cpu_of(pids)).items()}
        return Idle(
            runs_share=share["runs"],
            tools_share=share["tools"],
            redis_share=share["redis"],
            runs_mb=held_bytes(pids["runs"]) / 1e6,
            tools_mb=held_bytes(pids["tools"]) / 1e6,
        )
