"""Redis's clock, carried on by this process's monotonic clock; a host's wall clock is never asked.

Redis's clock may jump: it is set right, or a failover leads to a server whose clock differs. Every deadline would pass
at once, or every look would lie hours ahead. So each worker compares it with its monotonic clock at every tick. A jump
is taken out of the deployment's clock (`now_ms` of the scripts), which goes on as if there had been none; it stays so
far from Redis's until that jumps back. Time that passes while no worker runs counts as time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

JUMP_MS = 5_000
"""What differs by more is a jump; less is lost in leases and margins."""


ANSWER_MS = 10_000
"""How long an answer of Redis may be on its way."""


class RedisClock:
    """Give Redis's time between two reads."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._read_at = time.monotonic()

    def now_ms(self) -> int:
        """Give the time in milliseconds."""
        return self._now_ms + int((time.monotonic() - self._read_at) * 1000)


@dataclass(frozen=True, slots=True)
class _Reading:
    now_ms: int
    asked_at: float
    answered_at: float


class JumpWatch:
    """Notice when Redis's clock jumps; the tick reads, and any thread may ask."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        """What Redis's clock is compared with."""
        self._last: _Reading | None = None

    @property
    def believed_ms(self) -> int:
        """Give the last time that was believed; 0: none yet."""
        return 0 if self._last is None else self._last.now_ms

    def read(self, now_ms: int, asked_at: float) -> int | None:
        """Take a reading in; gives by how many milliseconds the clock has jumped since the last one, mostly 0.

        None: there is no last one, and nobody knows.

        Args:
            now_ms: What Redis told.
            asked_at: When it was asked, by the monotonic clock; it read its clock between then and now.
        """
        last, self._last = self._last, _Reading(now_ms, asked_at, self.monotonic())
        if last is None:
            return None
        longest_ms = (self._last.answered_at - last.asked_at) * 1000
        shortest_ms = (asked_at - last.answered_at) * 1000
        passed_ms = now_ms - last.now_ms
        if shortest_ms - JUMP_MS <= passed_ms <= longest_ms + JUMP_MS:
            return 0
        return round(passed_ms - (shortest_ms + longest_ms) / 2)

    def take_out(self, jump_ms: int) -> None:
        """Know that a jump was taken out of the clock, by this worker or by another that saw it too."""
        if self._last is not None:
            self._last = replace(self._last, now_ms=self._last.now_ms - jump_ms)

    def doubts(self, now_ms: int) -> bool:
        """Tell whether a time that Redis told can only be explained by a jump."""
        last = self._last
        if last is None:
            return False
        passed_ms = (self.monotonic() - last.answered_at) * 1000
        # An answer may have been long on its way here, but never more than a request may take.
        return not -ANSWER_MS - JUMP_MS <= now_ms - last.now_ms - passed_ms <= ANSWER_MS + JUMP_MS
