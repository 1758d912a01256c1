"""Interrupt a handler at its deadline, by a signal to this process's main thread."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from threadrun.tools import ToolTimeout


def _raise_timeout(_signal: int, _frame: FrameType | None) -> None:
    raise ToolTimeout("the deadline passed")


@contextmanager
def alarm_after(seconds: float) -> Iterator[None]:
    """Raise ToolTimeout in the body once the time is over; a handler that holds the interpreter is beyond it.

    Celery's hard time limit, a little later, kills the child then.
    """
    before = signal.signal(signal.SIGALRM, _raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
