"""The load: runs of a seeded kind, enqueued at a steady pace by somebody who repeats what was not answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from threadrun.client import RunClient
from threadrun.errors import StoreUnavailable

REPEAT_SECONDS = 0.2
"""How long a caller waits before it repeats an enqueue that was not answered."""


class Generator:
    """Enqueue scripts over a time from a thread of its own; `accepted` grows as they are answered."""

    def __init__(
        self,
        client: RunClient,
        scripts: Iterator[str],
        count: int,
        over_seconds: float,
        tools: list[str],
        name: str = "run",
    ) -> None:
        self.accepted: list[str] = []
        """The keys of runs whose enqueue was answered, in order."""
        self.repeats = 0
        """How often Redis did not answer, and the enqueue was repeated under its key."""
        self._client = client
        self._scripts = scripts
        self._count = count
        self._over_seconds = over_seconds
        self._tools = tools
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._generate, name="generator", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more."""
        self._stop.set()
        self._thread.join()

    @property
    def done(self) -> bool:
        """Tell whether all were accepted."""
        return len(self.accepted) == self._count

    def _generate(self) -> None:
        begun = time.monotonic()
        for number in range(self._count):
            wait = begun + self._over_seconds * number / self._count - time.monotonic()
            if self._stop.wait(max(0.0, wait)):
                return
            key = f"{self._name}-{number:05}"
            if self._enqueue(key, next(self._scripts)):
                self.accepted.append(key)

    def _enqueue(self, key: str, script: str) -> bool:
        while not self._stop.is_set():
            try:
                self._client.enqueue("asst_demo", messages=script, tools=self._tools, idempotency_key=key)
            except StoreUnavailable:
                self.repeats += 1
                self._stop.wait(REPEAT_SECONDS)
            else:
                return True
        return False
