"""Share a process's threads and request slots among profiles, so that a hanging provider stops no other."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class ThreadShares:
    """Let one profile hold no more than half the pool's threads."""

    def __init__(self, threads: int) -> None:
        self._limit = max(1, threads // 2)
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, profile: str) -> Iterator[bool]:
        """Hold a thread for a profile; false: it has its share, come back later."""
        with self._lock:
            free = self._held[profile] < self._limit
            self._held[profile] += free
        try:
            yield free
        finally:
            with self._lock:
                self._held[profile] -= free


class RequestSlots:
    """Count the free request slots of one profile; used on the loop only."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._freed = asyncio.Event()

    async def take(self, most: int, patience_seconds: float) -> int:
        """Take up to so many slots; when none is free, wait a little for one. Gives how many, perhaps none."""
        if not self._free:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    while not self._free:  # whoever is woken first may have taken all there was
                        self._freed.clear()
                        await self._freed.wait()
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def give_back(self, count: int) -> None:
        """Give slots back."""
        self._free += count
        if self._free:
            self._freed.set()
