"""Fixtures: one redis-server a session, fakeredis beside it, and what the tests of store and client hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.backend import Backend, Twin, fake, real
from tests.integration.redis_server import redis_server
from threadrun.client import RunClient
from worker.store.runs import RunStore


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one server for the whole session, with AOF as in production, on a socket of its own."""
    with redis_server(tmp_path_factory.mktemp("redis"), "--appendonly", "yes") as url:
        yield url


@pytest.fixture(params=["redis", "fakeredis"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Give each test a Redis, twice: the real one and fakeredis."""
    found = real(request.getfixturevalue("redis_url")) if request.param == "redis" else fake()
    yield found
    await found.aclose()
    found.sync.flushdb()
    found.sync.close()


@pytest.fixture
def client(backend: Backend) -> RunClient:
    return backend.client()


@pytest.fixture
def store(backend: Backend) -> RunStore:
    return backend.store()


@pytest.fixture(params=["sync", "asyncio"])
def twin(backend: Backend, request: pytest.FixtureRequest) -> Twin:
    """Give each test of the client both clients."""
    return Twin(backend.client() if request.param == "sync" else backend.async_client())
