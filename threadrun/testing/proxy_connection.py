"""One client's connection through a `FaultProxy`, and what its fault does to it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from threadrun.testing.proxy_faults import (
    BlackHole,
    CutAfter,
    ProxyCounts,
    ProxyFault,
    ResetAfter,
    ResetBefore,
    Way,
)
from threadrun.testing.proxy_lane import Lane

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class End(asyncio.Protocol):
    """Be one of the two ends of a connection; `way` is where the bytes go that it hears."""

    def __init__(self, connection: Connection, way: Way) -> None:
        self._connection = connection
        self.way = way
        self.transport: asyncio.Transport | None = None
        """None until it is connected."""
        self.gone = False
        """It is closed."""
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to carry."""
        self.transport = cast("asyncio.Transport", transport)
        self._connection.made(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what was heard."""
        self._connection.heard(self.way, data)

    def eof_received(self) -> bool:
        """Pass on that no more comes; the other way stays open."""
        self._connection.ended(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that this end is gone."""
        self.gone = True
        self._connection.lost(self)

    def pause_writing(self) -> None:
        """Note that its peer takes no more for now."""
        self._full = True
        self._tell_full()

    def resume_writing(self) -> None:
        """Note that its peer takes more."""
        self._full = False
        # asyncio is in the middle of its own write: a transport that is closed from in here is lost twice.
        asyncio.get_running_loop().call_soon(self._tell_full)

    def _tell_full(self) -> None:
        self._connection.block(self, self._full)


class Connection:
    """Carry one client's connection.

    Every method runs on the proxy's loop. A connection is deaf once something was swallowed on it: it answers
    nothing more, and only the client can end it.
    """

    def __init__(
        self,
        counts: ProxyCounts,
        dial: Callable[[Callable[[], End]], Awaitable[Any]],
        forget: Callable[[Connection], None],
        fault: ProxyFault | None,
    ) -> None:
        self.client = End(self, Way.REQUESTS)
        """The end at the client."""
        self._target = End(self, Way.ANSWERS)
        self._lanes = {way: Lane(way, counts) for way in Way}
        self._counts = counts
        self._dial = dial
        self._forget = forget
        self._fault = fault
        self._passed_bytes = 0
        self._dialling: asyncio.Task[None] | None = None
        self._delivered_ends = 0
        self._deaf = self._cut = self._over = False

    def set_fault(self, fault: ProxyFault | None) -> None:
        """Treat the connection so from now on."""
        self._fault = fault
        self._passed_bytes = 0
        for lane in self._lanes.values():
            lane.shape(fault)

    def half_open(self) -> bool:
        """Take the target's side away without telling the client; tell whether that could be done."""
        if self._deaf or self._over:
            return False
        self._deaf = True
        self._counts.half_opened += 1
        self._drop()
        _reset(self._target)
        return True

    def reset(self) -> bool:
        """End both sides with a reset, what was held back is lost; tell whether it was still open."""
        was_open, self._over = not self._over, True
        self._drop()
        for end in (self.client, self._target):
            _reset(end)
        return was_open

    def made(self, end: End) -> None:
        """Begin with one end."""
        if self._over:
            _reset(end)
        elif end is self._target:
            self._lanes[Way.REQUESTS].sink = self._lanes[Way.ANSWERS].source = end.transport
            self._lanes[Way.REQUESTS].pump()
        else:
            self._lanes[Way.ANSWERS].sink = self._lanes[Way.REQUESTS].source = end.transport
            self.set_fault(self._fault)
            if not isinstance(self._fault, BlackHole | ResetBefore):
                self._reach_target()

    def heard(self, way: Way, data: bytes) -> None:
        """Do with a piece what the fault says."""
        if self._over or self._cut:
            return
        match self._fault:
            case _ if self._deaf:
                self._counts.swallowed_bytes += len(data)
            case BlackHole():
                self._deaf = True
                self._counts.swallowed_bytes += len(data)
            case ResetBefore() if way is Way.REQUESTS:
                self._counts.resets_before += 1
                self.reset()
            case ResetAfter() if way is Way.ANSWERS:
                self._counts.answers_lost += 1
                self.reset()
            case CutAfter(size_bytes, cut_way) if way is cut_way:
                self._pass_up_to(size_bytes, way, data)
            case _:
                self._pass(way, data)

    def ended(self, end: End) -> None:
        """Pass on that an end says no more, after all that it said before."""
        if self._over or (self._deaf and end is self._target):
            return
        if self._deaf or self._dialling is None:
            self._close()
        else:
            self._lanes[end.way].finish(lambda: self._deliver_end(end))

    def lost(self, end: End) -> None:
        """Take the other end down too: an end that is lost without having been closed here was reset."""
        if not self._over and not (self._deaf and end is self._target):
            self.reset()
        if self.client.gone and (self._target.gone or self._target.transport is None):
            self._forget(self)

    def block(self, end: End, full: bool) -> None:
        """Note whether an end takes no more for now."""
        self._lanes[Way.ANSWERS if end is self.client else Way.REQUESTS].block(full)

    def _pass(self, way: Way, data: bytes) -> None:
        if way is Way.REQUESTS:
            self._reach_target()
        self._lanes[way].push(data)

    def _pass_up_to(self, size_bytes: int, way: Way, data: bytes) -> None:
        piece = data[: size_bytes - self._passed_bytes]
        self._passed_bytes += len(piece)
        if piece:
            self._pass(way, piece)
        if self._passed_bytes >= size_bytes:
            self._cut = True
            self._counts.cut += 1
            self._lanes[way].finish(self._close)

    def _reach_target(self) -> None:
        if self._dialling is None:
            self._dialling = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await self._dial(lambda: self._target)
        except OSError:
            if not self._over:
                self._counts.unreachable += 1
                self.reset()

    def _deliver_end(self, end: End) -> None:
        other = self._target if end is self.client else self.client
        if other.transport is not None and not other.transport.is_closing():
            with suppress(OSError):  # its peer has reset it, and that will be heard next
                other.transport.write_eof()
        self._delivered_ends += 1
        if self._delivered_ends == len(self._lanes):
            self._close()

    def _close(self) -> None:
        """End both sides; what was written still arrives."""
        self._over = True
        self._drop()
        for end in (self.client, self._target):
            if end.transport is not None:
                end.transport.close()

    def _drop(self) -> None:
        for lane in self._lanes.values():
            lane.drop()


def _reset(end: End) -> None:
    if end.transport is None or end.gone:
        return
    connected: socket.socket = end.transport.get_extra_info("socket")
    if connected.family != socket.AF_UNIX:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.transport.abort()
