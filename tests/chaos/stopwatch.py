"""Measure every request of the workers from within: the file that CHAOS_REQUESTS_FILE names gets a line for each.

A line holds how long it took, how late a bare timer of the same loop came that was due at the request's deadline, and
the longest CPU time that the loop's thread has used so far without letting another callback have a turn (all in
seconds). On a machine that is short of CPU every timer is late: that is no request's doing. A loop that is held by
its own work would hide behind such a timer, so that is measured by itself.

The cradle imports it before it forks a worker; nothing else of a worker is changed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from worker.transport.http import HttpTransport

VARIABLE = "CHAOS_REQUESTS_FILE"

BEAT_SECONDS = 0.05
"""How often the CPU time of the loop's thread is read."""

_send = HttpTransport.send


class Timed(NamedTuple):
    """One request."""

    seconds: float
    timer_late_seconds: float
    """How late a bare timer came at its deadline; 0: it was over by then."""
    loop_held_seconds: float


def read(lines: Iterable[str]) -> list[Timed]:
    """Read what was noted."""
    return [Timed(*map(float, line.split()[:3])) for line in lines]


class _Loop:
    """Watch how long the loop's thread works between two beats."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._used_seconds = time.thread_time()
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        used, self._used_seconds = self._used_seconds, time.thread_time()
        self.longest_seconds = max(self.longest_seconds, self._used_seconds - used)
        self._loop.call_later(BEAT_SECONDS, self._beat)


_loops: dict[asyncio.AbstractEventLoop, _Loop] = {}


async def _timed(self: HttpTransport, method: str, url: str, *more: Any, **named: Any) -> Any:
    loop = asyncio.get_running_loop()
    held = _loops.get(loop) or _loops.setdefault(loop, _Loop())
    begun, due_seconds, came = loop.time(), self._deadline_seconds, []
    timer = loop.call_later(due_seconds, lambda: came.append(loop.time()))
    try:
        return await _send(self, method, url, *more, **named)
    finally:
        timer.cancel()
        late = came[0] - begun - due_seconds if came else 0.0
        _note(f"{loop.time() - begun:.3f} {late:.3f} {held.longest_seconds:.3f} {method} {url}\n")


def _note(line: str) -> None:
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def install() -> None:
    """Measure from now on."""
    HttpTransport.send = _timed  # type: ignore[method-assign, assignment]
