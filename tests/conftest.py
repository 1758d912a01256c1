"""What every test may rely on, wherever the suite was started."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from threadrun.tools.registry import default_registry


def pytest_configure() -> None:
    """Take Ctrl-C back: a job in the background of a shell is started deaf to it, and its children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """Register each test's tools in an empty registry: test modules have tools of the same names."""
    # Not by the fixture `monkeypatch`: asked for here, it would be undone after every other fixture's end.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default_registry, "_tools", {})
        yield
