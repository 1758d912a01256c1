"""What every test may rely on, wherever the suite was started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take Ctrl-C back: a job in the background of a shell is started deaf to it, and its children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
