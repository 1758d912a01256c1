"""Redis's clock, carried on by this process's monotonic clock; a host's wall clock is never asked.

Redis's clock may jump: it is set right, or a failover leads to a server whose clock differs. Every deadline would pass
at once, or every look would lie hours ahead. So each worker compares it with its monotonic clock at every tick. A jump
is taken out of the deployment's clock (`now_ms` of the scripts), which goes on as if there had been none; it stays so
far from Redis's until that jumps back. Time that passes while no worker runs counts as time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP_MS = 5_000
"""What differs by more is a jump; less is lost in leases and margins."""

ANSWER_MS = 10_000
"""How long a request to Redis may be on its way."""

NO_LATEST_MS = 10**15
"""Later than any clock."""


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
        self._believed: _Reading | None = None

    @property
    def believed_ms(self) -> int:
        """Give the last time that was believed; 0: none yet."""
        return 0 if self._believed is None else self._believed.now_ms

    def read(self, now_ms: int, seen_ms: int, asked_at: float) -> int:
        """Compare a reading with what must be; gives by how many milliseconds the clock has jumped, mostly 0.

        Only a reading without a jump is believed: until the jump is taken out, each tells of it again. Who begins
        knows of no time but what the others have seen, and believes that more of it has passed.

        Args:
            now_ms: The deployment's time, as Redis told it.
            seen_ms: The latest time that any worker believed; it is not before that, whatever this worker slept.
            asked_at: When Redis was asked, by the monotonic clock; it read its clock between then and now.
        """
        told, known = _Reading(now_ms, asked_at, self.monotonic()), self._believed
        earliest, latest = float(seen_ms), float("inf")
        if known is not None:
            earliest = max(earliest, known.now_ms + (told.asked_at - known.answered_at) * 1000)
            latest = max(earliest, known.now_ms + (told.answered_at - known.asked_at) * 1000)
        if earliest - JUMP_MS <= now_ms <= latest + JUMP_MS:
            self._believed = told
            return 0
        return round(now_ms - (earliest if known is None else (earliest + latest) / 2))

    @property
    def latest_ms(self) -> int:
        """Give the latest time that can be told without a jump, to whoever asks now."""
        known = self._believed
        if known is None:
            return NO_LATEST_MS
        passed_ms = round((self.monotonic() - known.asked_at) * 1000)
        return known.now_ms + passed_ms + ANSWER_MS + JUMP_MS
