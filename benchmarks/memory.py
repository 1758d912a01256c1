"""The memory that processes hold, with all their children, sampled while they work."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # its annotations are a package of their own

SAMPLE_SECONDS = 1.0
"""How often to look; reading it costs the kernel some milliseconds a process."""


def held_bytes(pid: int) -> int:
    """Add up what a process and its descendants hold; a page that several share counts once among them.

    Children of a fork share most of their pages: their resident sets, added up, would count these again and again.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += _share_of(process)
    return total


def _share_of(process: psutil.Process) -> int:
    told = process.memory_full_info()
    return int(getattr(told, "pss", 0) or told.rss)  # only Linux knows the proportional share


class PeakMemory:
    """Follow process trees while a `with` lasts, and keep the most that they held together."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._over = Event()
        self._thread = Thread(target=self._follow, name="peak-memory", daemon=True)
        self.peak_bytes = 0
        """The most that was seen."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        over = False
        while not over:
            self.peak_bytes = max(self.peak_bytes, sum(map(held_bytes, self._pids)))
            over = self._over.wait(SAMPLE_SECONDS)
