"""Put a turned monotonic clock under every module of the worker that reads one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest.mock import patch


@contextmanager
def turned_time(seconds: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[None]:
    stand_in = SimpleNamespace(**{**vars(time), "monotonic": seconds, "sleep": sleep})
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("worker.") and vars(module).get("time") is time:
                stack.enter_context(patch.object(module, "time", stand_in))
        yield
