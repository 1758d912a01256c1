"""The pytest fixtures for your own tests; pytest finds them when threadrun is installed.

    def test_my_app(run_server):
        client = openai.OpenAI(base_url=run_server.base_url, api_key="any")

Nothing heavy is imported until a test asks for a fixture: every pytest session loads this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from threadrun.testing.clock import Clock
    from threadrun.testing.faults import FaultPlan
    from threadrun.testing.server import RunServer


@pytest.fixture
def start_run_server() -> Iterator[Callable[..., RunServer]]:
    """Start run servers that stop when the test ends.

    Call it with the fields of `ServerOptions`, `clock=ManualClock()` for a clock that the test turns, and
    `faults=FaultPlan(…)` for what is to go wrong.
    """
    from threadrun.testing.options import ServerOptions  # noqa: PLC0415 # only when a test uses it
    from threadrun.testing.server import RunServer  # noqa: PLC0415 # only when a test uses it

    with ExitStack() as servers:

        def start(
            *, clock: Clock | None = None, faults: FaultPlan | None = None, **options: Any
        ) -> RunServer:
            return servers.enter_context(RunServer(ServerOptions(**options), clock=clock, faults=faults))

        yield start


@pytest.fixture
def run_server(start_run_server: Callable[..., RunServer]) -> RunServer:
    """Give a fresh run server with the default options."""
    return start_run_server()
