"""Fixtures of the engine's tests: a real Redis, a turned clock everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from structlog.testing import capture_logs

from tests.integration.backend import Backend, real
from tests.integration.engine.house import House
from tests.integration.engine.scripted_provider import ScriptedProvider


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the lines of hundreds of lives off the screen."""
    with capture_logs():
        yield


@pytest.fixture
async def backend(redis_url: str) -> AsyncIterator[Backend]:
    """Real Redis only: what is tested here is the engine, and the store has its own tests on both."""
    found = real(redis_url)
    yield found
    await found.aclose()
    found.sync.flushdb()
    found.sync.close()


@pytest.fixture
def new_house(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Callable[..., House]:
    """Build a house around a provider; its clock is the only one."""

    def build(provider: ScriptedProvider | None = None, **options: object) -> House:
        house = House(backend, provider or ScriptedProvider(), **options)  # type: ignore[arg-type]
        monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
        return house

    return build
