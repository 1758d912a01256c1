"""A TCP proxy that breaks connections on purpose, before Redis or before a run server.

with FaultProxy.before(server.base_url) as proxy:
    provider = …(proxy.url)
    proxy.set(ResetAfter(), on=1)       # the next connection loses its answer
    proxy.set(Latency(0.2))             # every connection, at once
    proxy.clear()
    proxy.counts().answers_lost
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from threadrun.testing.proxy_connection import Connection, End
from threadrun.testing.proxy_door import HOST, Door
from threadrun.testing.proxy_faults import ProxyCounts, ProxyFault, Refuse

T = TypeVar("T")

Target: TypeAlias = tuple[str, int] | str | Path
"""A host and a port, or the path of a unix socket."""

Scope: TypeAlias = Literal["all", "new"] | int
"""All connections, those that are made from now on, or the next so many."""

PATIENCE_SECONDS = 10.0
"""How long the proxy's own thread may take for one order; it never waits for a network."""


class FaultProxy:
    """Stand before a server on a port of its own, and break connections as told, from any thread.

    Runs on a daemon thread with its own event loop; it ends with `stop`, with the `with` block, or with the
    process. Without a fault it changes nothing, half-closed connections and resets included. A fault is in
    force when `set` returns.
    """

    def __init__(self, target: Target, *, port: int = 0) -> None:
        """Choose the target; nothing listens yet.

        Args:
            target: `("127.0.0.1", 6379)`, or the path of a unix socket.
            port: The port to listen at; 0: a free one.
        """
        self._target = target
        self._target_url: str | None = None
        self._port = port
        self._door: Door | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._stopping = asyncio.Event()
        self._connections: set[Connection] = set()
        self._counts = ProxyCounts()
        self._fault: ProxyFault | None = None
        self._next_fault: ProxyFault | None = None
        self._next_connections = 0

    @classmethod
    def before(cls, url: str, *, port: int = 0) -> Self:
        """Choose the target by its URL: `http://host:port/…`, `redis://host:port/0`, `unix:///path?db=0`.

        Raises:
            ValueError: The URL names neither a port nor a socket.
        """
        parts = urlsplit(url)
        if parts.scheme == "unix":
            proxy = cls(parts.path, port=port)
        elif parts.hostname is None or parts.port is None:
            raise ValueError("the URL names no host and port; give both, or unix:///path")
        else:
            proxy = cls((parts.hostname, parts.port), port=port)
        proxy._target_url = url
        return proxy

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once it was started."""
        return HOST, self._port

    @property
    def url(self) -> str:
        """The target's URL, through the proxy; for a proxy that was made by `before`.

        Raises:
            RuntimeError: The proxy was made from an address.
        """
        if self._target_url is None:
            raise RuntimeError("The proxy was made from an address; use `address`, or make it by `before`.")
        parts = urlsplit(self._target_url)
        login, at, _ = parts.netloc.rpartition("@")
        through = parts._replace(netloc=f"{login}{at}{HOST}:{self._port}")
        return (through._replace(scheme="redis", path="") if parts.scheme == "unix" else through).geturl()

    def set(self, fault: ProxyFault, *, on: Scope = "all") -> None:
        """Break connections so from now on, in place of the fault that was set before.

        Args:
            fault: What to do.
            on: `all` connections; the `new` ones, while the open ones stay as they are; or a number: the next
                so many new ones, on top of what holds for all.

        Raises:
            ValueError: `Refuse` for the next so many: who is refused is not seen, so cannot be counted.
        """
        if isinstance(on, int) and (isinstance(fault, Refuse) or on < 1):
            raise ValueError('refuse "all" or "new"; a number of connections is 1 or more')
        self._order(lambda: self._set(fault, on))

    def clear(self) -> None:
        """Break nothing more; connections that swallowed something stay deaf until their clients end them."""
        self._order(lambda: self._set(None, "all"))

    def half_open(self) -> int:
        """Take the target's side of all open connections away, and leave the clients believing in them."""
        return self._order(lambda: sum(connection.half_open() for connection in list(self._connections)))

    def reset_connections(self) -> int:
        """Reset all open connections now; tell how many there were."""
        return self._order(self._reset_on_demand)

    def counts(self) -> ProxyCounts:
        """Tell what was seen and done so far."""
        return self._order(lambda: replace(self._counts, open=len(self._connections)))

    def start(self) -> Self:
        """Listen, and return when connections are accepted.

        Raises:
            OSError: The port is taken.
            RuntimeError: It is running already.
        """
        if self._thread is not None:
            raise RuntimeError("The proxy is running already. Stop it first.")
        door = Door(self._port, self._accept)
        self._port = door.port
        ready: Future[None] = Future()
        self._thread = Thread(target=self._run, args=(door, ready), name="fault-proxy", daemon=True)
        self._thread.start()
        ready.result(PATIENCE_SECONDS)
        return self

    def stop(self) -> None:
        """Stop listening and end all connections; a second call does nothing."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._thread = self._loop = self._door = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, door: Door, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(door, ready))
        finally:
            door.give_up()

    async def _serve(self, door: Door, ready: Future[None]) -> None:
        self._door, self._stopping = door, asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open_or_close()
        ready.set_result(None)
        await self._stopping.wait()
        door.close()
        await self._end_connections(door)

    def _open_or_close(self) -> None:
        if self._door is None or self._stopping.is_set():
            return
        if isinstance(self._fault, Refuse):
            self._door.close()
        else:
            self._door.open()

    def _accept(self) -> End:
        fault = self._fault
        if self._next_connections:
            self._next_connections -= 1
            fault = self._next_fault
        connection = Connection(self._counts, self._dial, self._connections.discard, fault)
        self._connections.add(connection)
        self._counts.accepted += 1
        return connection.client

    async def _dial(self, end: Callable[[], End]) -> Any:
        loop = asyncio.get_running_loop()
        if isinstance(self._target, tuple):
            return await loop.create_connection(end, *self._target)
        return await loop.create_unix_connection(end, str(self._target))

    def _set(self, fault: ProxyFault | None, on: Scope) -> None:
        if isinstance(on, int):
            self._next_fault, self._next_connections = fault, on
            return
        self._fault, self._next_connections = fault, 0
        self._open_or_close()
        if on == "all":
            for connection in list(self._connections):
                connection.set_fault(None if isinstance(fault, Refuse) else fault)

    def _reset_connections(self) -> int:
        return sum(connection.reset() for connection in list(self._connections))

    def _reset_on_demand(self) -> int:
        resets = self._reset_connections()
        self._counts.reset_on_demand += resets
        return resets

    async def _end_connections(self, door: Door) -> None:
        await door.all_in()
        async with asyncio.timeout(PATIENCE_SECONDS):
            self._reset_connections()
            while self._connections:  # noqa: ASYNC110 - each is closed within a turn or two of the loop
                await asyncio.sleep(0)

    def _order(self, do: Callable[[], T]) -> T:
        """Have something done on the proxy's loop."""
        if self._loop is None:
            return do()

        async def on_loop() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(PATIENCE_SECONDS)
