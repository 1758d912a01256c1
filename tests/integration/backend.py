"""A Redis to test against: the same tests run over a real server and over fakeredis, with a turned clock."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer

from threadrun.client import AsyncRunClient, RunClient
from threadrun.keys import Keys
from threadrun.redis_clients import connect, connect_async
from worker.store.runs import RunStore
from worker.store.scripts import Scripts

START_MS = 1_790_000_000_000
"""Where the turned clock starts: a day in 2026."""


@dataclass
class Backend:
    """Hold a key prefix of a test's own, both kinds of client, and a clock that stands until it is turned."""

    sync: Any
    make_async: Callable[[], Any]
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:12]}:")

    def __post_init__(self) -> None:
        self.keys = Keys(self.prefix)
        # Outside the prefix, so that what threadrun itself leaves can be counted.
        self.clock_key = f"clock-of-{self.prefix}"
        self.sync.set(self.clock_key, START_MS)
        self.scripts = Scripts(self.sync, self.prefix, clock_key=self.clock_key)
        self._opened: list[Any] = []

    def now_ms(self) -> int:
        return int(self.sync.get(self.clock_key))

    def turn(self, seconds: float) -> None:
        self.sync.incrby(self.clock_key, round(seconds * 1000))

    def client(self) -> RunClient:
        return RunClient(self.sync, key_prefix=self.prefix, clock_key=self.clock_key)

    def async_redis(self) -> Any:
        opened = self.make_async()
        self._opened.append(opened)
        return opened

    def async_client(self) -> AsyncRunClient:
        return AsyncRunClient(self.async_redis(), key_prefix=self.prefix, clock_key=self.clock_key)

    def store(self) -> RunStore:
        return RunStore(self.async_redis(), self.keys, clock_key=self.clock_key)

    def left(self) -> dict[str, str]:
        """Name every key that stands under the prefix, with its type."""
        names = sorted(self.sync.scan_iter(f"{self.prefix}*"))
        return {name.removeprefix(self.prefix): self.sync.type(name) for name in names}

    def dump(self, *prefixes: str) -> dict[str, Any]:
        """Read everything that stands under the prefix, to see later that nothing changed."""
        return {
            name: self._value(self.prefix + name, kind)
            for name, kind in self.left().items()
            if not prefixes or name.startswith(prefixes)
        }

    def _value(self, name: str, kind: str) -> Any:
        match kind:
            case "hash":
                return self.sync.hgetall(name)
            case "list":
                return self.sync.lrange(name, 0, -1)
            case "zset":
                return self.sync.zrange(name, 0, -1, withscores=True)
            case "stream":
                return self.sync.xlen(name)
            case _:
                return self.sync.get(name)

    async def aclose(self) -> None:
        for opened in self._opened:
            await opened.aclose()


class _InformedFakeRedis(FakeRedis):
    """Answer the one command of a heartbeat that fakeredis does not know."""

    def info(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"run_id": "fake"}


def real(url: str) -> Backend:
    return Backend(connect(url), lambda: connect_async(url))


def fake() -> Backend:
    server = FakeServer()
    text = {"decode_responses": True, "encoding_errors": "surrogateescape"}
    options: dict[str, Any] = {"server": server, **text, "protocol": 2}
    return Backend(_InformedFakeRedis(**options), lambda: FakeAsyncRedis(**options))


class Twin:
    """Call the sync and the asyncio client alike: every method is awaited."""

    def __init__(self, client: RunClient | AsyncRunClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Any:
            return await answered(getattr(self.client, name)(*args, **options))

        return call

    @property
    def blocks(self) -> bool:
        return isinstance(self.client, RunClient)

    async def events(self, run_key: str, after: int = 0, *, follow: bool = False) -> list[Any]:
        found = self.client.events(run_key, after, follow=follow)
        return [event async for event in found] if hasattr(found, "__aiter__") else list(found)


async def answered(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
