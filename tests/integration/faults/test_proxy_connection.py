"""One proxied connection between two sockets of the test, where asyncio's own order of calls is a trap."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.faults.echo import until
from threadrun.testing.proxy_connection import Connection, End
from threadrun.testing.proxy_faults import CutAfter, ProxyCounts, ProxyFault, Way


@dataclass
class Scene:
    """A connection that stands, the sockets at its two far ends, and what its loop complained of."""

    connection: Connection
    client: socket.socket
    errors: list[Any]
    over: bool = False


@asynccontextmanager
async def standing(fault: ProxyFault | None = None) -> AsyncIterator[Scene]:
    loop, (client, near), (far, target) = asyncio.get_running_loop(), tcp_pair(), tcp_pair()
    reached: asyncio.Future[End] = loop.create_future()

    async def dial(end: Any) -> None:
        reached.set_result((await loop.connect_accepted_socket(end, far))[1])

    scene = Scene(Connection(ProxyCounts(), dial, lambda _: setattr(scene, "over", True), fault), client, [])
    loop.set_exception_handler(lambda _, told: scene.errors.append(told))
    await loop.connect_accepted_socket(lambda: scene.connection.client, near)
    await reached
    try:
        yield scene
    finally:
        scene.connection.reset()
        await until(lambda: scene.over)
        client.close()
        target.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


async def test_a_cut_behind_a_full_socket_ends_the_connection_once() -> None:
    size = 16 * 1024 * 1024
    async with standing(CutAfter(size)) as scene:
        to_client = scene.connection.client.transport
        assert to_client is not None
        to_client.set_write_buffer_limits(high=1, low=0)
        scene.connection.heard(Way.ANSWERS, bytes(size - 1))
        scene.connection.heard(Way.ANSWERS, b"z")  # held back, so the cut comes when the socket takes more
        assert to_client.get_write_buffer_size() > 0

        received = 0
        while piece := await asyncio.get_running_loop().sock_recv(scene.client, 1024 * 1024):
            received += len(piece)
        await until(lambda: scene.over)

        assert received == size
        assert scene.errors == []


async def test_an_end_is_passed_on_to_a_peer_that_has_just_reset_the_connection() -> None:
    async with standing() as scene:
        to_client = scene.connection.client.transport
        assert to_client is not None
        to_client.pause_reading()  # so that nobody hears of the reset
        scene.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scene.client.close()

        scene.connection.ended(scene.connection._target)
        to_client.resume_reading()
        await until(lambda: scene.over)

        assert scene.errors == []
