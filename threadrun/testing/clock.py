"""The run server's clock: one that runs, and one that a test turns by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tell the server's time; everything that a run does happens at a time of this clock."""

    def now(self) -> float:
        """Tell the time in unix seconds."""

    def advance(self, seconds: float) -> float:
        """Turn the clock forward and tell the new time.

        Raises:
            ValueError: if `seconds` is negative; a server's time never goes back.
        """


class RunningClock:
    """Run with the machine's monotonic clock; `advance` jumps ahead, for waiting out an expiry."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Tell the time in unix seconds."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> float:
        """Jump ahead and tell the new time.

        Raises:
            ValueError: if `seconds` is negative.
        """
        self._offset += _forward(seconds)
        return self.now()


class ManualClock:
    """Stand still until a test turns it, so that a test waits for nothing and never races."""

    def __init__(self, start_seconds: float = 1_750_000_000.0) -> None:
        self._now = start_seconds

    def now(self) -> float:
        """Tell the time in unix seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Turn the clock forward and tell the new time.

        Raises:
            ValueError: if `seconds` is negative.
        """
        self._now += _forward(seconds)
        return self._now


def _forward(seconds: float) -> float:
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a clock is turned forward by 0 or more seconds, not by {seconds!r}")
    return seconds
