"""Show that this worker makes progress: a file that is touched every two seconds, without asking Redis."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog

from threadrun.health.liveness import TOUCH_SECONDS, VARIABLE, liveness_path

log = structlog.get_logger("threadrun.worker")


class LivenessFile:
    """Touch this worker's file; without a template there is none."""

    def __init__(self, template: str | None, kind: str) -> None:
        self._path = liveness_path(template, kind, os.getpid()) if template else None
        self._failed = False

    def touch(self) -> None:
        """Touch it; a file that cannot be written is said once, and the worker works on."""
        if self._path is None:
            return
        try:
            self._path.touch()
        except OSError as error:
            if not self._failed:
                text = f"make the folder of {self._path} writable, or correct {VARIABLE}"
                log.warning("liveness.not_written", error=type(error).__name__, detail=text)
            self._failed = True
        else:
            self._failed = False

    def remove(self) -> None:
        """Take it away: a worker that has ended is neither alive nor stuck."""
        if self._path is not None:
            try:
                self._path.unlink(missing_ok=True)
            except OSError:
                self._failed = True  # it grows stale, which says the same a little later


class Pulse:
    """Count the turns of an event loop, and touch the file at each."""

    def __init__(self, file: LivenessFile) -> None:
        self.turns = 0
        """How often the loop has come round; a number that stands still is a loop that is stuck."""
        self._file = file
        self._seen = 0
        self._turned_at = time.monotonic()

    @property
    def stands_seconds(self) -> float:
        """How long ago the loop came round."""
        return time.monotonic() - self._turned_at

    def gives_sign(self) -> bool:
        """Tell whether the loop has come round since this was last asked."""
        seen, self._seen = self._seen, self.turns
        return seen != self._seen

    def turn(self) -> None:
        """Come round; called on the loop."""
        self.turns += 1
        self._turned_at = time.monotonic()
        self._file.touch()


class LivenessThread:
    """Touch a file in a thread of its own, where there is no loop to do it.

    So it does in a tools worker's parent: one heartbeat may wait for an unreachable Redis longer than a file may
    be old. And in every worker that waits for Redis before it starts.
    """

    def __init__(self, file: LivenessFile, alive: Callable[[], bool] = lambda: True) -> None:
        self._file = file
        self._alive = alive
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="threadrun-liveness", daemon=True)

    def start(self) -> None:
        """Begin to touch."""
        self._thread.start()

    def stop(self) -> None:
        """Touch it no more; the file stays as it is."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TOUCH_SECONDS)

    def _run(self) -> None:
        while self._alive():
            self._file.touch()
            if self._stop.wait(TOUCH_SECONDS):
                return
