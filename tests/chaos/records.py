"""Look at many records at once: who is not finished, and when each event came."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Self

from redis.exceptions import RedisError

from threadrun.keys import Keys
from threadrun.redis_clients import connect

LOOK_SECONDS = 0.25
"""How often the end of runs is looked for."""


class Records:
    """Read stages and events of many runs in one round trip; Redis may be away meanwhile."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._keys = Keys()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    def unfinished(self, run_keys: Sequence[str]) -> list[str]:
        """Name the runs without a final record; all while Redis is away."""
        run_keys = list(run_keys)  # others may be accepted meanwhile
        try:
            stages = self._each(run_keys, lambda pipe, key: pipe.hget(self._keys.run(key), "stage"))
        except (RedisError, OSError):
            return run_keys
        return [key for key, stage in zip(run_keys, stages, strict=True) if stage != "done"]

    def wait_for_end(self, run_keys: Sequence[str], timeout_seconds: float) -> list[str]:
        """Wait until all runs have their final record; name those that have none in time."""
        give_up_at = time.monotonic() + timeout_seconds
        left = list(run_keys)
        while left and time.monotonic() < give_up_at:
            left = self.unfinished(left)
            time.sleep(LOOK_SECONDS if left else 0)
        return left

    def events(self, run_keys: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
        """Give the time (unix seconds) and type of every event of each run."""
        lists = self._each(run_keys, lambda pipe, key: pipe.lrange(self._keys.events(key), 0, -1))
        return {
            key: [(event["at_ms"] / 1000, event["type"]) for event in map(json.loads, texts)]
            for key, texts in zip(run_keys, lists, strict=True)
        }

    def _each(self, run_keys: Sequence[str], ask: Any) -> list[Any]:
        answers: list[Any] = []
        for start in range(0, len(run_keys), 500):
            pipe = self._redis.pipeline(transaction=False)
            for run_key in run_keys[start : start + 500]:
                ask(pipe, run_key)
            answers += pipe.execute()
        return answers
