"""The listening side of a `FaultProxy`: a port that stays its own, whether it is open or closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

HOST = "127.0.0.1"

BACKLOG = 1024
"""How many connections may wait to be accepted."""


class Door:
    """Accept connections while it is open; refuse them (ECONNREFUSED) while it is closed.

    asyncio's own server fails on a connection that it accepted just before it was closed; this one hands over
    all that it accepted.
    """

    def __init__(self, port: int, accept: Callable[[], asyncio.Protocol]) -> None:
        """Take the port.

        Args:
            port: 0: a free one.
            accept: Makes the protocol of each connection.

        Raises:
            OSError: The port is taken.
        """
        # Bound, but never listening: the port stays ours while the door is closed.
        self._holder = _bind(port)
        self.port: int = self._holder.getsockname()[1]
        """The port."""
        self._accept = accept
        self._listener: socket.socket | None = None
        self._entering: set[asyncio.Task[object]] = set()

    def open(self) -> None:
        """Accept from now on, on the running loop; opened again, nothing changes."""
        if self._listener is None:
            self._listener = _bind(self.port)
            self._listener.setblocking(False)
            self._listener.listen(BACKLOG)
            asyncio.get_running_loop().add_reader(self._listener, self._let_in, self._listener)

    def close(self) -> None:
        """Refuse from now on."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def all_in(self) -> None:
        """Wait until all that was accepted has its protocol."""
        await asyncio.gather(*self._entering)

    def give_up(self) -> None:
        """Give the port away."""
        self._holder.close()

    def _let_in(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(BACKLOG):
            try:
                connected, _address = listener.accept()
            except OSError:
                return
            connected.setblocking(False)
            entering = loop.create_task(loop.connect_accepted_socket(self._accept, connected))
            self._entering.add(entering)
            entering.add_done_callback(self._entering.discard)


def _bind(port: int) -> socket.socket:
    # The protocol must be named: asyncio sets TCP_NODELAY only then.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound
