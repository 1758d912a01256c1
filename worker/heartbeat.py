"""Say every few seconds that this worker lives, vouch for its children, and publish what it serves.

It runs in a thread of the worker's main process: a handler may hold its child's interpreter for minutes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from threadrun.keys import Keys
from worker.observer import Observer
from worker.store.scripts import Arg, Scripts

log = structlog.get_logger("threadrun.heartbeat")

WORKER_LIFE_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker says of itself with every heartbeat."""

    worker_id: str
    about: Mapping[str, str] = field(default_factory=dict)
    """`kind`, `host`, `pid`, `version`."""
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tool name to catalogue entry."""
    profiles: Sequence[str] = ()


class Heartbeat:
    """Beat in a thread until stopped."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        served: Served,
        observer: Observer,
        interval_seconds: float,
        vouches: Callable[[], bool] = lambda: True,
    ) -> None:
        """Beat only while `vouches` says that the worker does more than beat."""
        self._vouches = vouches
        self._redis = redis
        self._keys = keys
        self._served = served
        self._observer = observer
        self._interval_seconds = interval_seconds
        self._scripts = Scripts(redis, keys.prefix)
        self._stop = threading.Event()
        self._missed = False
        self._thread = threading.Thread(target=self._run, name="threadrun-heartbeat", daemon=True)

    def start(self) -> None:
        """Beat once at once, so that the catalogue stands before the first task comes, then go on."""
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        """Stop, and leave the list of workers: a clean end is not a death.

        A beat that hangs is not waited for: should it reach Redis after the goodbye, it changes nothing.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._interval_seconds)
        worker_id = self._served.worker_id
        names = [self._keys.workers(), self._keys.worker(worker_id)]
        try:
            self._scripts.call("goodbye", names, [worker_id, WORKER_LIFE_SECONDS])
        except (RedisError, OSError):
            log.warning("worker.left_unsaid", worker=worker_id)

    @property
    def beats(self) -> bool:
        """Tell whether it goes on beating, be it against a Redis that does not answer."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self.beat()

    def beat(self) -> None:
        """Beat once; without Redis it is missed, and the next one tries again."""
        if not self._vouches():
            return
        try:
            info: Any = self._redis.info("server")
            run_id = str(info.get("run_id", ""))
            answer: Any = self._scripts.call("heartbeat", self._key_names(), self._arguments(run_id))
        except (RedisError, OSError) as error:
            if not self._missed:
                log.warning("heartbeat.missed", error=type(error).__name__)
            self._missed = True
            return
        if self._missed:
            log.info("heartbeat.resumed")
        self._missed = False
        now_ms, since_ms, steady_ms = map(int, answer)
        self._observer.saw_redis(run_id, (now_ms - since_ms) / 1000, (now_ms - steady_ms) / 1000)

    def _key_names(self) -> list[str]:
        keys = self._keys
        return [
            keys.workers(), keys.worker(self._served.worker_id), keys.tools(), keys.tools_seen(), keys.profiles(),
            keys.redis(),
        ]  # fmt: skip

    def _arguments(self, redis_run_id: str) -> list[Arg]:
        served = self._served
        args: list[Arg] = [
            served.worker_id,
            WORKER_LIFE_SECONDS,
            len(served.about),
            len(served.tools),
            redis_run_id,
            round(self._observer.gap_seconds * 1000),
        ]
        for name, value in served.about.items():
            args += [name, value]
        for name, entry in served.tools.items():
            args += [name, json.dumps(entry, separators=(",", ":"))]
        return [*args, *served.profiles]
