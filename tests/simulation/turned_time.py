"""Around a simulated life: a turned monotonic clock under every module of the worker, and no log lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import structlog


@contextmanager
def turned_time(seconds: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[None]:
    stand_in = SimpleNamespace(**{**vars(time), "monotonic": seconds, "sleep": sleep})
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("worker.") and vars(module).get("time") is time:
                stack.enter_context(patch.object(module, "time", stand_in))
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the log lines of thousands of lives from being made."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)
