"""Other ways of carrying runs, each a program of its own, used as its documentation tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.contender import Started
from benchmarks.driver import Driver
from threadrun.testing import LocalStack


@dataclass(frozen=True, slots=True)
class Peer:
    """Carry runs in one process that needs nothing but the run server."""

    name: str
    module: str
    """The program; it calls `benchmarks.driver.serve`."""

    @contextmanager
    def start(self) -> Iterator[Started]:
        """Start a run server and the peer's process."""
        with (
            LocalStack(runs_workers=0, tools_workers=0) as stack,
            Driver(self.module, stack.server_url) as driver,
        ):
            yield Started(stack, driver, {"process": driver.pid})


ASYNC_OPENAI = Peer("AsyncOpenAI", "benchmarks.peers.async_openai")
"""openai's asyncio client with its own polling helpers."""
