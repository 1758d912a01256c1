"""A pending call that came to a worker without its handler is sent again soon, and ever more rarely."""

from __future__ import annotations

import pytest

from tests.integration.carrying import claim_call, claim_one, created, move, opened, reopen, settle
from threadrun.status import CallState, Stage
from worker.store.ledger import CallAddress


@pytest.fixture
async def key(backend, client, store):
    """A run in stage tools with one call."""
    run_key = client.enqueue("asst", messages="add 3 and 4").key
    await created(store)
    await opened(store, backend.now_ms(), 1)
    return run_key


async def test_a_call_that_came_to_the_wrong_worker_is_sent_again_soon_and_after_ever_longer_pauses(
    backend, client, store, key
):
    at, ledger, pauses = CallAddress(key, 1, 0), backend.keys.calls(key), []
    for _ in range(15):
        backend.sync.hset(ledger, mapping={"1:0:sends": 1, "1:0:sent_ms": backend.now_ms()})
        assert await store.ledger.pass_on(at)
        call = (await store.calls(await claim_one(store, Stage.TOOLS)))[0]
        assert (call.state, call.sends, call.sent_ms) == (CallState.PENDING, 0, 0)
        pauses.append(call.not_before_ms - backend.now_ms())
        backend.turn(60)
    assert pauses[::2] == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("how", ["claimed", "settled", "moved on", "nobody"])
async def test_only_a_call_that_waits_for_a_worker_is_passed_on(backend, client, store, key, how):
    at = CallAddress("nobody" if how == "nobody" else key, 1, 0)
    backend.sync.hset(backend.keys.calls(key), "1:0:sends", 1)
    if how in {"claimed", "settled"}:
        await claim_call(store, at, "a")
    if how == "settled":
        await settle(store, at, "a")
    if how == "moved on":
        backend.turn(5)
        assert (await move(store, await claim_one(store, Stage.TOOLS), Stage.CANCEL, withdraw=True)).ok
    before = backend.dump()

    assert not await store.ledger.pass_on(at)
    assert backend.dump() == before


async def test_a_call_that_is_run_again_is_passed_on_as_soon_as_a_new_one(backend, store, key):
    at, ledger = CallAddress(key, 1, 0), backend.keys.calls(key)

    async def passed_on():
        backend.sync.hset(ledger, mapping={"1:0:sends": 1, "1:0:sent_ms": backend.now_ms()})
        assert await store.ledger.pass_on(at)
        return int(backend.sync.hget(ledger, "1:0:not_before_ms")) - backend.now_ms()

    first = [await passed_on() for _ in range(9)]
    await claim_call(store, at, "token")
    await reopen(store, at, "token")

    assert (first[-1], await passed_on()) == (4_000, 250)
