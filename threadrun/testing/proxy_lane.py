"""One direction of a proxied connection: bytes in order, each piece when it is due."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from threadrun.testing.proxy_faults import Drip, Latency, ProxyCounts, ProxyFault, Stall, Way

MAX_QUEUED_BYTES = 256 * 1024
"""How much a lane holds back before it stops reading from the sender, as a full network does."""

_DRIP_TICK_SECONDS = 0.02


class Lane:
    """Carry the bytes of one way from its source to its sink."""

    def __init__(self, way: Way, counts: ProxyCounts) -> None:
        self._way = way
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._when_empty: Callable[[], None] | None = None
        self._delay_seconds = 0.0
        self._bytes_per_second: float | None = None
        self._held = self._sink_is_full = False
        self._dripped_until = 0.0
        self.source: asyncio.Transport | None = None
        """Where the bytes come from; it is told to wait when too many are held back."""
        self.sink: asyncio.Transport | None = None
        """Where they go; none yet: they wait."""

    def shape(self, fault: ProxyFault | None) -> None:
        """Carry as a fault says from now on; what was held back comes under the new rule too."""
        self._delay_seconds = fault.seconds if isinstance(fault, Latency) else 0.0
        drips = isinstance(fault, Drip) and fault.way is self._way
        self._bytes_per_second = fault.bytes_per_second if drips and isinstance(fault, Drip) else None
        self._held = isinstance(fault, Stall)
        self._dripped_until = self._loop.time()
        self.pump()

    def push(self, data: bytes) -> None:
        """Take a piece."""
        now = self._loop.time()
        if not self._queue:
            self._dripped_until = now
        self._queue.append((now, data))
        self._queued_bytes += len(data)
        self.pump()
        slowed = self._held or self._delay_seconds > 0 or self._bytes_per_second is not None
        self._counts.delayed += bool(slowed and self._queue)

    def finish(self, when_empty: Callable[[], None]) -> None:
        """Do something once all bytes have been handed on."""
        self._when_empty = when_empty
        self.pump()

    def block(self, full: bool) -> None:
        """Note whether the sink takes no more for now."""
        self._sink_is_full = full
        self.pump()

    def drop(self) -> None:
        """Forget what was held back."""
        self._stop_timer()
        self._queue.clear()
        self._queued_bytes = 0
        self._when_empty = None

    def pump(self) -> None:
        """Hand on what is due, and come back for the rest."""
        self._stop_timer()
        while self._queue and self.sink is not None and not self._held and not self._sink_is_full:
            wait_seconds = self._hand_on(self.sink)
            if wait_seconds:
                self._timer = self._loop.call_later(wait_seconds, self.pump)
                break
        self._throttle_source()
        if not self._queue and self._when_empty is not None:
            then, self._when_empty = self._when_empty, None
            then()

    def _hand_on(self, sink: asyncio.Transport) -> float:
        """Hand on the first piece, or as much of it as is due; tell how long to wait, if one must."""
        now = self._loop.time()
        arrived_at, data = self._queue[0]
        early = arrived_at + self._delay_seconds - now
        if early > 0:
            return early
        piece = (
            data if self._bytes_per_second is None else data[: self._allowance(now, self._bytes_per_second)]
        )
        self._queue.popleft()
        if len(piece) < len(data):
            self._queue.appendleft((arrived_at, data[len(piece) :]))
        self._write(sink, piece)
        return _DRIP_TICK_SECONDS if len(piece) < len(data) else 0.0

    def _allowance(self, now: float, bytes_per_second: float) -> int:
        allowed = int((now - self._dripped_until) * bytes_per_second)
        self._dripped_until += allowed / bytes_per_second
        return allowed

    def _write(self, sink: asyncio.Transport, piece: bytes) -> None:
        self._queued_bytes -= len(piece)
        if self._way is Way.REQUESTS:
            self._counts.request_bytes += len(piece)
        else:
            self._counts.answer_bytes += len(piece)
        if piece and not sink.is_closing():
            sink.write(piece)

    def _throttle_source(self) -> None:
        if self.source is None or self.source.is_closing():
            return
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self.source.pause_reading()
        else:
            self.source.resume_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
