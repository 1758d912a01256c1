"""Measure every request of the workers from within: the file that CHAOS_REQUESTS_FILE names gets a line for each.

The cradle imports it before it forks a worker; nothing else of a worker is changed.
"""

from __future__ import annotations

import os
import time
from typing import Any

from worker.transport.http import HttpTransport

VARIABLE = "CHAOS_REQUESTS_FILE"

_send = HttpTransport.send


async def _timed(self: HttpTransport, method: str, url: str, *more: Any, **named: Any) -> Any:
    begun = time.monotonic()
    try:
        return await _send(self, method, url, *more, **named)
    finally:
        _note(f"{time.monotonic() - begun:.3f} {method} {url}\n")


def _note(line: str) -> None:
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def install() -> None:
    """Measure from now on."""
    HttpTransport.send = _timed  # type: ignore[method-assign, assignment]
