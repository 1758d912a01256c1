"""Fixtures of the fault tests: one run server a module with a clock of its own, and its client."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.faults.api import HEADERS, Api
from threadrun.testing import ManualClock, RunServer


@pytest.fixture(scope="module")
def shared() -> Iterator[RunServer]:
    with RunServer(clock=ManualClock()) as running:
        yield running


@pytest.fixture
def server(shared: RunServer) -> Iterator[RunServer]:
    yield shared
    shared.faults = None


@pytest.fixture
def api(server: RunServer) -> Iterator[Api]:
    with httpx.Client(base_url=server.base_url, headers=HEADERS, trust_env=False) as http:
        yield Api(http, server)
