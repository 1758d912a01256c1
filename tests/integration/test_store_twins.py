"""Watches for twins: begun with a write, claimed by one worker at a time, kept until nothing is left to find."""

from __future__ import annotations

import pytest

from tests.integration.carrying import (
    LEASE_MS,
    claim_one,
    commit,
    created,
    doubted,
    ended,
    finish_from,
    last_words,
    move,
)
from threadrun.errors import RunsStillOpen
from threadrun.status import Stage
from worker.decide.twins import TwinState


@pytest.fixture
def key(client):
    return client.enqueue("asst", thread_id="thread_1", idempotency_key="order-7").key


async def claimed(store):
    return list((await store.twins.claim("default", 10, LEASE_MS)).watches)


async def test_a_watch_begins_with_the_write_that_doubts_and_is_first_due_3_seconds_later(
    backend, store, key
):
    await doubted(store)

    assert await claimed(store) == []
    backend.turn(3)
    (watch,) = await claimed(store)
    assert (watch.run_key, watch.thread_id, watch.run_id, watch.creating) == (key, "thread_1", "", True)
    assert watch.until_ms == backend.now_ms() + 57_000
    assert watch.twins == {}


async def test_another_doubt_makes_the_watch_longer_and_not_later(backend, store, key):
    await doubted(store)
    backend.turn(60)
    await doubted(store)

    (watch,) = await claimed(store)
    assert watch.until_ms == backend.now_ms() + 60_000


async def test_a_create_s_answer_that_comes_when_the_run_has_another_id_names_a_twin_due_at_once(
    backend, store, key
):
    late = await claim_one(store, Stage.CREATE)
    backend.turn(20)
    await created(store, "run_2")

    written = await move(store, late, Stage.POLL, facts={"run_id": "run_1"})

    assert not written.ok
    (watch,) = await claimed(store)
    assert (watch.run_id, watch.twins) == ("run_2", {"run_1": TwinState.SUSPECTED})
    assert not watch.creating


@pytest.mark.parametrize("finished", [False, True])
async def test_a_create_s_answer_that_comes_after_the_run_ended_without_an_id_names_a_twin(
    backend, client, store, key, finished
):
    late = await claim_one(store, Stage.CREATE)
    backend.turn(20)
    await ended(store, await claim_one(store, Stage.CREATE))
    if finished:
        run = await claim_one(store, Stage.FINALIZE)
        await store.finish(run, last_words(run))
    before = backend.dump("run:order-7")

    written = await move(store, late, Stage.POLL, facts={"run_id": "run_1"})

    assert not written.ok
    assert not written.learnt
    (watch,) = await claimed(store)
    assert (watch.run_id, watch.twins) == ("", {"run_1": TwinState.SUSPECTED})
    assert client.get(key).run_id is None
    if finished:  # a final record never changes
        after = backend.dump("run:order-7")
        after.pop("run:order-7/twins")
        assert after == before


async def test_the_same_id_again_is_no_twin(backend, store, key):
    run = await created(store, "run_1")
    await store.commit(run, commit(run, Stage.POLL, facts={"run_id": "run_1"}))

    assert await claimed(store) == []


async def test_a_twin_told_twice_is_one(backend, store, key):
    late = await claim_one(store, Stage.CREATE)
    backend.turn(20)
    await created(store, "run_2")
    for _ in range(2):
        await move(store, late, Stage.POLL, facts={"run_id": "run_1"})
    (watch,) = await claimed(store)

    assert await store.twins.write("default", watch, None, {"run_1": TwinState.ENDED})
    await move(store, late, Stage.POLL, facts={"run_id": "run_1"})

    assert len(watch.twins) == 1


async def test_only_the_newest_claim_writes(backend, store, key):
    await doubted(store)
    backend.turn(3)
    (first,) = await claimed(store)
    assert await claimed(store) == []
    backend.turn(LEASE_MS / 1000)
    (second,) = await claimed(store)

    assert not await store.twins.write("default", first, None, {"run_9": TwinState.FOUND})
    assert await store.twins.write("default", second, 5_000, {"run_8": TwinState.FOUND})
    backend.turn(5)
    (third,) = await claimed(store)
    assert third.twins == {"run_8": TwinState.FOUND}


async def test_a_watch_that_is_over_leaves_nothing(backend, store, key):
    await doubted(store)
    backend.turn(3)
    (watch,) = await claimed(store)

    assert await store.twins.write("default", watch, None, {})

    assert not [name for name in backend.left() if "twins" in name]


async def test_what_was_learnt_during_a_look_keeps_the_watch_going(backend, store, key):
    late = await claim_one(store, Stage.CREATE)
    backend.turn(20)
    run = await doubted(store)
    backend.turn(60)
    await created(store, "run_2")
    (watch,) = await claimed(store)
    await move(store, late, Stage.POLL, facts={"run_id": "run_1"})

    await store.twins.write("default", watch, None, {})

    (again,) = await claimed(store)
    assert again.twins == {"run_1": TwinState.SUSPECTED}
    assert run.claim == late.claim + 1


async def test_a_watch_outlives_its_run(backend, client, store, key):
    await doubted(store)
    backend.turn(60)
    await finish_from(store, Stage.CREATE)

    (watch,) = await claimed(store)
    assert not watch.creating
    with pytest.raises(RunsStillOpen):
        client.purge(key)


async def test_the_watch_of_a_record_that_is_gone_goes_too(backend, store, key):
    await doubted(store)
    backend.sync.delete(backend.keys.run(key))
    backend.turn(3)

    assert await claimed(store) == []
    assert not [name for name in backend.left() if "twins" in name]
