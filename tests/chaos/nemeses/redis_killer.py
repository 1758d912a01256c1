"""Kill Redis and start it again on its append-only file; now and then again while everybody recovers."""

from __future__ import annotations

import time

from tests.chaos.nemeses.nemesis import Nemesis
from threadrun.testing import EmbeddedRedis

AGAIN = 0.25
"""How often it is killed a second time."""

AGAIN_SECONDS = (0.1, 2.0)
"""How soon after its return that comes."""


class RedisKiller(Nemesis):
    """SIGKILL Redis; it is back as soon as it has read its file."""

    def __init__(
        self, redis: EmbeddedRedis, seed: int, pause_seconds: tuple[float, float] = (5.0, 20.0)
    ) -> None:
        super().__init__(seed, pause_seconds)
        self.kills = 0
        """How often it was killed."""
        self.returns: list[float] = []
        """When it was back for good (unix seconds)."""
        self._redis = redis

    def act(self) -> None:
        """Kill it, once or twice."""
        self._restart()
        if self.draw.random() < AGAIN:
            time.sleep(self.draw.uniform(*AGAIN_SECONDS))
            self._restart()
        self.returns.append(time.time())

    def _restart(self) -> None:
        self._redis.restart()
        self.kills += 1
