"""Redis's clock, read once and carried on by this process's monotonic clock until it is read again."""

from __future__ import annotations

import time


class RedisClock:
    """Give Redis's time between two reads; a host's wall clock is never asked."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._read_at = time.monotonic()

    def now_ms(self) -> int:
        """Give the time in milliseconds."""
        return self._now_ms + int((time.monotonic() - self._read_at) * 1000)
