"""Judge whether a worker is dead: only if this process has itself seen Redis without a gap for a while.

After a gap, a restart or a failover of Redis everybody's heartbeats are late, and nobody is dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Observer:
    """Keep how long Redis has been seen without a gap."""

    def __init__(
        self,
        heartbeat_seconds: float,
        dead_after_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap_seconds = heartbeat_seconds * 2
        self._dead_after_seconds = dead_after_seconds
        self._monotonic = monotonic
        self._redis_run_id: str | None = None
        self._steady_since: float | None = None
        self._seen_at: float | None = None
        self._disturbed_at: float | None = None

    def saw_redis(self, redis_run_id: str) -> None:
        """Note an answer of Redis; a new run id of the server is a restart or a failover."""
        now = self._monotonic()
        gap = self._seen_at is not None and now - self._seen_at > self._gap_seconds
        other = self._redis_run_id is not None and redis_run_id != self._redis_run_id
        if gap or other:
            self._disturbed_at = now
        if gap or other or self._steady_since is None:
            self._steady_since = now
        self._seen_at, self._redis_run_id = now, redis_run_id

    def may_judge(self) -> bool:
        """Tell whether a missing heartbeat means anything now."""
        if self._steady_since is None or self._seen_at is None:
            return False
        now = self._monotonic()
        return (
            now - self._seen_at <= self._gap_seconds and now - self._steady_since >= self._dead_after_seconds
        )

    def was_disturbed(self, within_seconds: float = 60.0) -> bool:
        """Tell whether Redis may have lost its last second of writes a short while ago."""
        return self._disturbed_at is not None and self._monotonic() - self._disturbed_at < within_seconds

    def dead(self, heartbeats_ms: Mapping[str, float | None], now_ms: int) -> frozenset[str]:
        """Name the workers whose heartbeat is too old; nobody while it may not be judged."""
        if not self.may_judge():
            return frozenset()
        oldest = now_ms - self._dead_after_seconds * 1000
        return frozenset(worker for worker, seen in heartbeats_ms.items() if seen is None or seen < oldest)
