"""A server that answers with what it hears, behind the fault proxy, and a client that looks closely."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from threadrun.testing import FaultProxy
from threadrun.testing.proxy_faults import ProxyCounts

PATIENCE_SECONDS = 20


class Echo:
    """A server that answers every piece with itself, and notes what it saw."""

    def __init__(self) -> None:
        self.heard = b""
        self.resets = self.ends = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data)
                await writer.drain()
            self.ends += 1
        except ConnectionError:
            self.resets += 1
        finally:
            writer.close()


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Echo, FaultProxy]]:
    noted = Echo()
    server = await asyncio.start_server(noted.serve, "127.0.0.1", 0)
    with FaultProxy(server.sockets[0].getsockname()) as proxy:
        try:
            yield noted, proxy
        finally:
            server.close()
            for writer in noted.writers:
                writer.transport.abort()


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, data: bytes) -> bytes:
        self.send(data)
        return await self.receive(len(data))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self, length: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """What still comes until the connection ends in order."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def hears_nothing_for(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False

    def end(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def client_of(proxy: FaultProxy) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection(*proxy.address))
    try:
        yield client
    finally:
        await client.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - another thread's counts; nobody sets an event
            await asyncio.sleep(0.005)


async def becomes(proxy: FaultProxy, true_of: Callable[[ProxyCounts], bool]) -> ProxyCounts:
    await until(lambda: true_of(proxy.counts()))
    return proxy.counts()
