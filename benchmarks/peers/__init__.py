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
    dialect: str = "openai"
    """What it speaks."""

    @contextmanager
    def start(self) -> Iterator[Started]:
        """Start a run server and the peer's process."""
        spoken = ["--dialect", self.dialect]
        with (
            LocalStack(runs_workers=0, tools_workers=0, server_arguments=spoken) as stack,
            Driver(self.module, stack.server_url) as driver,
        ):
            yield Started(stack, driver, {"process": driver.pid})


ASYNC_OPENAI = Peer("AsyncOpenAI", "benchmarks.peers.async_openai")
"""openai's asyncio client with its own polling helpers."""

AZURE_AGENTS = Peer("azure-ai-agents", "benchmarks.peers.azure_agents", "azure_agents")
"""Azure's client, a thread for each run."""

FLOOR = Peer("floor", "benchmarks.floor")
"""No library above HTTP, and no record: what cannot be beaten."""
