"""Fixtures: one redis-server a session, fakeredis beside it; what the tests of store, client and command line hold."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.backend import Backend, Twin, fake, real
from tests.integration.cli_scene import Scene
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


@pytest.fixture
def scene(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    """Stage runs in a corner of the real Redis, and point the command line there."""
    made = Scene(redis_url, f"cli{uuid.uuid4().hex[:8]}:", capsys)
    monkeypatch.setenv("THREADRUN_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", made.prefix)
    monkeypatch.setenv("COLUMNS", "100")
    yield made
    made.redis.flushdb()
    made.redis.close()
