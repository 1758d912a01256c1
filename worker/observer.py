"""Judge whether a worker is dead: only if Redis has been seen without a gap for a while.

After a gap, a restart or a failover of Redis everybody's heartbeats are late, and nobody is dead. Who starts believes
the others about the time before: where workers die faster than that while, nobody would ever be old enough to judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from worker.redis_clock import JumpWatch


class Judging(StrEnum):
    """Say whether a missing heartbeat means a death."""

    YES = "yes"
    LATER = "later"
    """Not seen for long enough yet: this process has just begun."""
    NO = "no"
    """Redis was away, and everybody's heartbeats are late."""


class Observer:
    """Keep how long Redis has been seen without a gap."""

    def __init__(
        self,
        heartbeat_seconds: float,
        dead_after_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gap_seconds = heartbeat_seconds * 2
        """After how long without a heartbeat there was a gap."""
        self.dead_after_seconds = dead_after_seconds
        """How old a dead worker's heartbeat is."""
        self.clock = JumpWatch(monotonic)
        """Notices when Redis's clock jumps: every heartbeat and deadline would seem to have passed."""
        self._monotonic = monotonic
        self._redis_run_id: str | None = None
        self._steady_since: float | None = None
        self._seen_at: float | None = None
        self._disturbed_at = float("-inf")

    def saw_redis(
        self, redis_run_id: str, known_seconds: float = float("inf"), steady_seconds: float = 0.0
    ) -> None:
        """Note a heartbeat that Redis took.

        Args:
            redis_run_id: The server's; another one is a restart or a failover.
            known_seconds: For how long any worker has known this server: one that starts after a failover has
                not seen it.
            steady_seconds: For how long some worker or other has seen this server without a gap; only the first
                heartbeat takes it over.
        """
        now = self._monotonic()
        self.met_server(redis_run_id)
        if self._seen_at is not None and now - self._seen_at > self.gap_seconds:
            self._disturb(now)
        self._disturbed_at = max(self._disturbed_at, now - known_seconds)
        if self._steady_since is None:
            self._steady_since = now - max(0.0, steady_seconds)
        self._seen_at = now

    def met_server(self, redis_run_id: str) -> None:
        """Note which server a new connection leads to; it may come from any thread."""
        known, self._redis_run_id = self._redis_run_id, redis_run_id
        if known not in (None, redis_run_id):
            self._disturb(self._monotonic())

    def _disturb(self, now: float) -> None:
        self._disturbed_at = now
        self._steady_since = now

    def may_judge(self) -> bool:
        """Tell whether a missing heartbeat means anything now."""
        if self._steady_since is None:
            return False
        steady_seconds = self._monotonic() - self._steady_since
        return not self._misses_redis() and steady_seconds >= self.dead_after_seconds

    @property
    def judging(self) -> Judging:
        """Tell whether whoever finds a lapsed claim should judge its holder now, or wait until it can be judged."""
        if self.may_judge():
            return Judging.YES
        young = not self.was_disturbed() and not self._misses_redis()
        return Judging.LATER if young else Judging.NO

    def _misses_redis(self) -> bool:
        return self._seen_at is not None and self._monotonic() - self._seen_at > self.gap_seconds

    def was_disturbed(self, within_seconds: float = 60.0) -> bool:
        """Tell whether Redis may have lost its last second of writes a short while ago."""
        return self._monotonic() - self._disturbed_at < within_seconds

    def dead(self, heartbeats_ms: Mapping[str, float | None], now_ms: int) -> frozenset[str]:
        """Name the workers whose heartbeat is too old; nobody while it may not be judged."""
        if not self.may_judge():
            return frozenset()
        oldest = now_ms - self.dead_after_seconds * 1000
        return frozenset(worker for worker, seen in heartbeats_ms.items() if seen is None or seen < oldest)
