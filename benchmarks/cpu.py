"""The CPU that processes have used, with all their children, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import psutil  # type: ignore[import-untyped]  # its annotations are a package of their own


def cpu_seconds(pid: int) -> float:
    """Add up the CPU of a process and its descendants; those that have ended count with their parents."""
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Read several process trees, by name."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Give what was used between two readings."""
    return {name: after[name] - before[name] for name in before}
