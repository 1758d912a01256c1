"""A lost answer has its script sent again: the second time must change nothing."""

from __future__ import annotations

import pytest
from redis.commands.core import AsyncScript, Script

from tests.integration.backend import START_MS, Backend
from tests.integration.carrying import (
    CallAddress,
    claim_call,
    claim_one,
    decided_life,
    doubted,
    finish_from,
    move,
    noted,
    opened,
    permitted,
    reopen,
    watch_on,
    whole_life,
)
from tests.integration.test_store_clock import set_right
from tests.integration.test_store_scripts import ALL, OF_A_PURGE
from tests.integration.test_store_tick import beat, trim
from threadrun.scripts import script_text
from threadrun.status import Stage
from worker.store.gates import Kind, Rate, Verdict
from worker.store.runs import UNREAD_TIMES

COSTS_A_DELAY = {"claim", "twins_claim", "due", "permit"}
"""A repeated claim leaves its first runs to their lease, a repeated `due` its first wake-ups to their marks, a
repeated permit its first place in time to nobody."""

DRAWN = {"enqueue_op", "cancel_op", "unread_op", "released", "1:0:decided"}
"""Record and ledger fields that hold a random name."""


@pytest.fixture
def sent_twice(backend, monkeypatch):
    """Send every script twice once `begin` is called, as after a lost answer; gives their names too."""
    names = {script_text(name, package, backend.clock_key, backend.prefix): name for name, package in ALL}
    plain, plain_async, ran = Script.__call__, AsyncScript.__call__, set()

    def again(script):
        ran.add(names[script.script])
        return names[script.script] not in COSTS_A_DELAY

    def run(self, keys=(), args=(), client=None):
        answer = plain(self, keys, args, client)
        return plain(self, keys, args, client) if again(self) else answer

    async def run_async(self, keys=(), args=(), client=None):
        answer = await plain_async(self, keys, args, client)
        return await plain_async(self, keys, args, client) if again(self) else answer

    def begin():
        monkeypatch.setattr(Script, "__call__", run)
        monkeypatch.setattr(AsyncScript, "__call__", run_async)

    return begin, ran


async def eventful_life(backend: Backend) -> dict[str, object]:
    """Carry runs through everything that is written, and give what stands in the end."""
    client, store = backend.client(), backend.store()
    beat(backend, "tools@a", tools={"add": {}}, profiles=["default"])
    beat(backend, "runs@a").stop()
    set_right(backend)
    await whole_life(client, store, backend.now_ms(), idempotency_key="a", on_done="shop.done")
    await store.told(await claim_one(store, Stage.FINALIZE))
    await decided_life(backend, client, store)
    client.enqueue("asst", thread_id="t", idempotency_key="b")
    client.enqueue("asst", thread_id="t", idempotency_key="c")
    run = await claim_one(store, Stage.CREATE)
    await store.renew(run, 20_000)
    await store.failed(run)
    for _ in range(UNREAD_TIMES):
        await store.unread(Stage.CREATE, "default", "b", 0)
    await store.rest(run, 0, polls=1, requests=2)
    await move(store, await claim_one(store, Stage.CREATE), Stage.POLL, polls=1, requests=1)
    resting = await claim_one(store, Stage.POLL)
    await store.rest(resting, 1_000)
    await store.attend(resting, 0, "op", polls=1, requests=1)
    await opened(store, backend.now_ms(), 2)
    backend.sync.hset(backend.keys.calls("b"), "1:1:sends", 1)
    assert await store.ledger.pass_on(CallAddress("b", 1, 1))
    await claim_call(store, CallAddress("b", 1, 0), "x")
    await reopen(store, CallAddress("b", 1, 0), "x", 1_000)
    client.cancel("b")
    client.enqueue("asst", thread_id="u", idempotency_key="d")
    await doubted(store)
    await watch_on(store, backend)
    await finish_from(store, Stage.TOOLS)
    await claim_one(store, Stage.WAITING)
    await permitted(store, rate=Rate(5), token="p")
    for number in range(4):
        await noted(store, Verdict.FAILED, token=f"f{number}")
    await noted(store, Verdict.LIMITED, Kind.POST, token="l")
    backend.turn(86_400)
    trim(backend)
    left = backend.dump()
    for name in ("run:a", "run:b", "run:c", "run:d", "run:e", "run:e/calls"):
        left[name] = {field: left[name][field] for field in left[name].keys() - DRAWN}
    return left


async def test_a_life_in_which_every_script_ran_twice_leaves_what_it_leaves_when_each_ran_once(
    backend, sent_twice
):
    begin, ran = sent_twice
    once = await eventful_life(backend)
    backend.sync.flushdb()
    backend.sync.set(backend.clock_key, START_MS)
    begin()

    assert await eventful_life(backend) == once
    assert ran == {name for name, _ in set(ALL) - OF_A_PURGE} - {"due"}


def test_a_caller_whose_answers_were_lost_is_told_what_the_first_try_did(backend, client, sent_twice):
    begin, _ = sent_twice
    begin()

    assert client.enqueue("asst", thread_id="t", idempotency_key="a").created
    assert [one.created for one in client.enqueue_many([{"assistant_id": "asst", "messages": "hi"}])] == [
        True
    ]
    assert not client.enqueue("asst", thread_id="t", idempotency_key="a").created
    assert client.cancel("a")
    assert not client.cancel("a")
