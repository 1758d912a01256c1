"""Look after a profile's watches for twins: the due ones are claimed once a second, by whichever worker is first."""

from __future__ import annotations

import asyncio

import structlog
from redis.exceptions import RedisError

from worker.desk import Desk
from worker.redis_clock import RedisClock
from worker.twin_look import TwinLook

log = structlog.get_logger("threadrun.twins")

TURN_SECONDS = 1.0
"""How often due watches are looked for."""

CLAIM_LIMIT = 10
"""The most watches looked after at a time."""


class TwinFinder:
    """Serve the due watches; used on the loop only.

    A worker that dies here leaves them in their sorted set: when the lease lapses, another one looks.
    """

    def __init__(self, desk: Desk, profile: str) -> None:
        self._desk = desk
        self._profile = profile
        self._serving: asyncio.Task[int] | None = None
        self._draining = False

    def turn(self) -> None:
        """Begin to look after what is due, unless that is under way."""
        if not self._draining and (self._serving is None or self._serving.done()):
            self._serving = asyncio.create_task(self.serve())

    def drain(self) -> None:
        """Begin nothing more."""
        self._draining = True

    async def stop(self) -> None:
        """Interrupt what is under way; it is looked at again when its lease lapses."""
        self._draining = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def serve(self) -> int:
        """Look after the watches that are due; gives how many."""
        desk = self._desk
        try:
            claimed = await desk.store.twins.claim(
                self._profile, CLAIM_LIMIT, desk.rules.lease_ms, desk.observer.clock.latest_ms
            )
        except (RedisError, OSError):
            return 0  # said by the tick, which asks the same Redis more often
        clock = RedisClock(claimed.now_ms)
        looks = [TwinLook(desk, self._profile, watch, clock).carry() for watch in claimed.watches]
        for watch, failed in zip(
            claimed.watches, await asyncio.gather(*looks, return_exceptions=True), strict=True
        ):
            if isinstance(failed, Exception):
                defect = None if isinstance(failed, RedisError | OSError) else failed
                name = type(failed).__name__
                log.warning("run.twins_left_to_lease", run_key=watch.run_key, error=name, exc_info=defect)
        return len(claimed.watches)
