"""A rate is kept by all workers of a profile together, as the server's own log shows."""

from __future__ import annotations

import asyncio
import time

from tests.integration.backend import Backend, real
from threadrun.testing import RunServer
from worker.permits import Limits, NoPermit, Permits
from worker.providers import AssistantsProvider, ProfileConnection
from worker.providers.watched import WatchedProvider
from worker.store.gates import Kind, Rate, SharedGates
from worker.store.scripts import Scripts

HOLDERS, EACH = 4, 6
PER_SECOND, BURST, SECONDS = 40, 5, 1.5


async def ask_eagerly(backend: Backend, server: RunServer, until: float) -> None:
    """Be one worker process that always has something to read."""
    gates = SharedGates(backend.keys, Scripts(backend.async_redis(), backend.prefix))
    permits = Permits("default", gates, Limits(gets=Rate(PER_SECOND, BURST)))
    adapter = AssistantsProvider(ProfileConnection("default", server.base_url))
    provider = WatchedProvider(adapter, permits)

    async def go_on() -> None:
        while time.monotonic() < until:
            try:
                await permits.take(Kind.GET, int(time.time() * 1000), 300, "seed")
            except NoPermit as refused:
                await asyncio.sleep(refused.wait_ms / 1000)
            else:
                await provider.get_run("thread_1", "run_1")

    await asyncio.gather(*(go_on() for _ in range(EACH)))
    await provider.close()


async def test_four_holders_together_keep_the_rate_and_use_it(redis_url: str) -> None:
    backend = real(redis_url)
    with RunServer() as server:
        began, until = server.clock.now(), time.monotonic() + SECONDS
        await asyncio.gather(*(ask_eagerly(backend, server, until) for _ in range(HOLDERS)))
        sent = [effect.time for effect in server.log]
    await backend.aclose()
    backend.sync.close()

    # A request may come later than its permit, the first one too, but never earlier.
    over = [at - began for count, at in enumerate(sent, 1) if count > PER_SECOND * (at - began) + BURST + 1]
    assert over == []
    assert len(sent) >= 0.5 * PER_SECOND * SECONDS
