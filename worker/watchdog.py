"""End this process when it has stopped working for good, so that a supervisor starts another.

Each watchdog asks for one sign of life, in a thread of its own. It counts its own looks, not the clock: after a
suspended process or machine goes on, no time has passed for anybody.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

import structlog

log = structlog.get_logger("threadrun.worker")

EXIT_CODE = 70
"""EX_SOFTWARE: a defect inside; what a supervisor sees of a worker that was stuck."""

LOOKS = 10
"""How many looks in a row without a sign make a stuck worker."""

LAST_WORDS_SECONDS = 2.0
"""How long the last log line may take: whatever is stuck may hold the log as well."""

FRAMES = 12

MAX_STACK = 2_000
"""How much of the stack is shown, in characters: a line that fits a pipe's buffer is written whole or not at all."""

_STDERR = 2


@dataclass(frozen=True, slots=True)
class Stuck:
    """Say what is stuck."""

    what: str
    """`loop` or `consumer`."""
    seconds: float
    """For how long, as far as the watchdog has seen."""
    stack: str
    """Where its thread is, innermost call last; file, line and function, never a value."""


def end_process(stuck: Stuck) -> None:
    """Log it and exit at once: no drain, no clean-up, which could be stuck too.

    Whatever is stuck may hold the log's lock; then the line goes to standard error past it.
    """
    words = {"what": stuck.what, "seconds": round(stuck.seconds, 1), "stack": stuck.stack}
    speaking = threading.Thread(target=log.critical, args=("worker.stuck",), kwargs=words, daemon=True)
    speaking.start()
    speaking.join(LAST_WORDS_SECONDS)
    if speaking.is_alive():
        _say_past_the_log({"event": "worker.stuck", "level": "critical", **words})
    os._exit(EXIT_CODE)


def _say_past_the_log(line: dict[str, object]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = json.dumps({**line, "logger": "threadrun.worker", "timestamp": now}) + "\n"
    with suppress(OSError):
        # A pipe that nobody reads would hold this thread too.
        _, writable, _ = select.select([], [_STDERR], [], 0)
        for stream in writable:
            os.write(stream, text.encode())


class Watchdog:
    """Ask for a sign of life again and again; after LOOKS looks without one, end the process."""

    def __init__(
        self,
        what: str,
        gives_sign: Callable[[], bool],
        patience_seconds: float,
        watched: Callable[[], threading.Thread],
        end: Callable[[Stuck], None] = end_process,
    ) -> None:
        """Say what to watch.

        Args:
            what: Its name in the log.
            gives_sign: Tells whether it gave a sign since the last look, or could not have given one.
            patience_seconds: How long it may give none.
            watched: Gives its thread, to be shown where it is stuck.
            end: What to do then.
        """
        self._what = what
        self._gives_sign = gives_sign
        self._look_seconds = patience_seconds / LOOKS
        self._watched = watched
        self._end = end
        self._misses = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"threadrun-watchdog-{what}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; returns at once, as a look may be under way."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds):
            self.look()

    def look(self) -> None:
        """Look once."""
        signed = self._gives_sign()
        self._misses = 0 if signed else self._misses + 1
        if self._misses >= LOOKS and not self._stop.is_set():
            where = stack_of(self._watched())
            self._end(Stuck(self._what, self._misses * self._look_seconds, where))


def stack_of(thread: threading.Thread) -> str:
    """Tell where a thread is, without any value."""
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return "the thread has ended"
    calls = traceback.extract_stack(frame, FRAMES)
    shown = " > ".join(f"{os.path.basename(call.filename)}:{call.lineno} {call.name}" for call in calls)
    return shown[-MAX_STACK:]
