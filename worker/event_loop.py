"""The one asyncio loop of a `runs` process, in a thread of its own.

Celery's pool threads only wait for it; no user code and no blocking call ever runs on it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
    """Run coroutines for threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="threadrun-loop", daemon=True)

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_seconds: float | None = None) -> T:
        """Run a coroutine on the loop and wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_seconds)

    def soon(self, call: Callable[[], None]) -> None:
        """Call something quick on the loop, and do not wait for it."""
        self._loop.call_soon_threadsafe(call)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something quick on the loop, now and again and again until the loop stops."""

        def turn() -> None:
            call()
            self._loop.call_later(seconds, turn)

        self._loop.call_soon_threadsafe(turn)

    @property
    def thread(self) -> threading.Thread:
        """The thread that the loop runs in."""
        return self._thread

    def stop(self) -> None:
        """Stop the loop after what it is doing; call it when no thread waits any more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        if not self._loop.is_running():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
