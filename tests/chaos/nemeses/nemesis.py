"""The frame of a nemesis: act, pause, act again, on a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Self


class Nemesis:
    """Act again and again at drawn pauses, until stopped; a defect of its own is raised by `stop`."""

    def __init__(self, seed: int, pause_seconds: tuple[float, float]) -> None:
        self.draw = random.Random(f"{type(self).__name__}/{seed}")
        """What chances are drawn from."""
        self.acts: list[float] = []
        """When it acted (unix seconds)."""
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def act(self) -> None:
        """Break something."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Break nothing more."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise RuntimeError(f"{type(self).__name__} failed") from self._error

    @property
    def failed(self) -> bool:
        """Tell whether it ended by a defect of its own."""
        return self._error is not None

    def wait(self, seconds: float) -> None:
        """Let time pass in the middle of an act, unless it is all over."""
        self._stop.wait(seconds)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while True:
                due += self.draw.uniform(*self._pause_seconds)
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self.acts.append(time.time())
                self.act()
        except BaseException as error:  # told by `stop`
            self._error = error
