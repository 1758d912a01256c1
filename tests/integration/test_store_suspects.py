"""Runs in the hands of a worker that died: judged once, claimed one at a time, quarantined after three strikes."""

from __future__ import annotations

import pytest

from tests.integration.carrying import (
    HELD_BY,
    LEASE_MS,
    claim_one,
    claimant,
    created,
    die_with,
    ended,
    kill_workers,
    last_words,
    move,
)
from threadrun.errors import NotInQuarantine, RunNotFound
from threadrun.status import Stage
from worker.observer import Judging


async def claim(store, stage=Stage.CREATE, **by):
    return await store.claim(stage, "default", 100, LEASE_MS, claimant(**by))


def keys_of(claimed):
    return [run.key for run in claimed.runs]


def due_in(backend, stage=Stage.CREATE):
    return {
        key: (at - backend.now_ms()) / 1000
        for key, at in backend.dump(f"agenda:{stage}")[f"agenda:{stage}:default"]
    }


async def test_a_run_whose_holder_died_is_a_suspect_and_one_whose_holder_lives_is_none(
    backend, client, store
):
    client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)
    (suspect,) = (await claim(store)).runs
    assert suspect.suspect

    await store.rest(suspect, 0)
    (cleared,) = (await claim(store)).runs
    assert not cleared.suspect


async def test_a_holder_whose_heart_beat_after_its_lease_was_only_slow(backend, client, store):
    client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)
    backend.turn(1)
    backend.sync.zadd(backend.keys.workers(), {HELD_BY: backend.now_ms()})

    (run,) = (await claim(store)).runs
    assert not run.suspect


async def test_a_holder_that_left_the_list_ended_cleanly(backend, client, store):
    client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)
    backend.sync.zrem(backend.keys.workers(), HELD_BY)

    assert [run.suspect for run in (await claim(store)).runs] == [False]


async def test_whoever_comes_back_to_its_own_lapsed_claim_is_alive(backend, client, store):
    client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)

    assert [run.suspect for run in (await claim(store, worker_id=HELD_BY)).runs] == [False]


async def test_a_run_whose_holder_may_have_died_a_moment_ago_waits_until_that_is_known(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    await die_with(backend, store, Stage.CREATE)
    backend.sync.zadd(backend.keys.workers(), {HELD_BY: backend.now_ms() - 9_000})

    assert keys_of(await claim(store)) == []
    assert due_in(backend) == {key: 1}
    backend.turn(6.001)
    assert [run.suspect for run in (await claim(store)).runs] == [True]


async def test_a_worker_that_has_just_begun_leaves_the_judgement_for_later_and_the_run_due(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    await die_with(backend, store, Stage.CREATE)

    assert keys_of(await claim(store, judging=Judging.LATER)) == []
    assert due_in(backend) == {key: 1}


async def test_after_redis_was_away_nobody_is_judged_and_nothing_waits(backend, client, store):
    client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)

    assert [run.suspect for run in (await claim(store, judging=Judging.NO)).runs] == [False]


async def test_suspects_are_claimed_one_at_a_time_and_others_beside_them(backend, client, store):
    suspects = {client.enqueue("asst", messages="hi").key for _ in range(3)}
    await die_with(backend, store, Stage.CREATE)
    others = {client.enqueue("asst", messages="hi").key for _ in range(2)}

    first = await claim(store)
    assert len(suspects & {*keys_of(first)}) == 1
    assert others < {*keys_of(first)}
    backend.turn(0.1)
    assert keys_of(await claim(store, takes_suspect=False)) == []
    backend.turn(0.1)
    second = await claim(store)
    assert len(second.runs) == 1
    assert {*keys_of(second)} < suspects - {*keys_of(first)}


async def test_suspects_that_wait_for_their_turn_do_not_keep_others_from_being_claimed(
    backend, client, store
):
    for _ in range(5):
        client.enqueue("asst", messages="hi")
    await die_with(backend, store, Stage.CREATE)
    backend.turn(1)
    other = client.enqueue("asst", messages="hi").key

    by = claimant(takes_suspect=False)
    assert keys_of(await store.claim(Stage.CREATE, "default", 5, LEASE_MS, by)) == []
    assert keys_of(await store.claim(Stage.CREATE, "default", 5, LEASE_MS, by)) == [other]


async def test_a_death_counts_once_however_often_it_is_looked_at(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await die_with(backend, store, Stage.CREATE)
    for _ in range(5):
        assert keys_of(await claim(store, takes_suspect=False)) == []
        backend.turn(0.1)

    assert backend.sync.hget(backend.keys.run(key), "strikes") == "0"


async def test_three_deaths_as_the_only_suspect_quarantine_a_run_until_its_deadline(backend, client, store):
    key = client.enqueue("asst", messages="hi", deadline_seconds=600).key
    await kill_workers(backend, store, Stage.CREATE, 4)

    claimed = await claim(store)
    assert (keys_of(claimed), claimed.quarantined) == ([], (key,))
    record, (listed,) = client.get(key), client.quarantined()
    assert record.transitions[-1].type == "run.quarantined"
    assert record.transitions[-1].data == {"stage": "create"}
    assert (listed.place, listed.state, listed.deaths) == (key, "quarantined", 4)
    assert listed.until == record.deadline_at
    assert due_in(backend) == {key: 600 - 4 * LEASE_MS / 1000}
    assert client.waits_for(key).quarantined_at is not None


async def test_an_advance_that_ends_well_begins_the_count_anew(backend, client, store):
    client.enqueue("asst", messages="hi")
    await kill_workers(backend, store, Stage.CREATE, 3)
    (run,) = (await claim(store)).runs
    await store.rest(run, 0)
    await kill_workers(backend, store, Stage.CREATE, 3)

    assert [run.suspect for run in (await claim(store)).runs] == [True]


async def quarantined_run(backend, client, store, **options):
    key = client.enqueue("asst", messages="hi", **options).key
    await kill_workers(backend, store, Stage.CREATE, 4)
    assert (await claim(store)).quarantined == (key,)
    return key


async def test_a_quarantined_run_is_claimed_at_its_deadline_to_be_ended(backend, client, store):
    key = await quarantined_run(backend, client, store, deadline_seconds=100)
    backend.turn(19.9)
    assert keys_of(await claim(store)) == []
    backend.turn(0.1)
    (run,) = (await claim(store, takes_suspect=False)).runs

    assert (run.key, run.quarantined, run.suspect) == (key, True, False)
    assert (await ended(store, run)).ok
    (last,) = (await claim(store, Stage.FINALIZE)).runs
    assert (await store.finish(last, last_words(last))).ok
    assert client.quarantined() == ()


async def test_news_does_not_wake_a_quarantined_run_but_a_cancel_does(backend, client, store):
    key = await quarantined_run(backend, client, store)
    backend.sync.zadd(backend.keys.agenda(Stage.CREATE, "default"), {key: backend.now_ms()})
    assert keys_of(await claim(store)) == []
    assert due_in(backend) == {key: 600 - 4 * LEASE_MS / 1000}

    client.cancel(key)
    assert [run.quarantined for run in (await claim(store)).runs] == [True]


async def test_a_released_run_is_carried_on_at_once_as_if_nobody_had_died(twin, backend, client, store):
    key = await quarantined_run(backend, client, store)

    await twin.release(key)
    assert (client.quarantined(), client.get(key).transitions[-1].type) == ((), "run.released")
    (run,) = (await claim(store)).runs
    assert (run.quarantined, run.suspect) == (False, False)
    assert (await move(store, run, Stage.POLL)).ok
    with pytest.raises(NotInQuarantine) as free:
        await twin.release(key)
    assert free.value.found == "free"


async def test_a_run_that_has_ended_or_never_was_is_not_released(client, store):
    with pytest.raises(RunNotFound):
        client.release("nobody")


async def test_a_finished_run_that_waits_to_be_told_is_never_quarantined(backend, client, store):
    client.enqueue("asst", messages="hi", on_done="shop.done")
    await created(store)
    assert (await ended(store, await claim_one(store, Stage.POLL))).ok
    run = await claim_one(store, Stage.FINALIZE)
    assert (await store.finish(run, last_words(run))).ok
    await kill_workers(backend, store, Stage.FINALIZE, 6)

    claimed = await claim(store, Stage.FINALIZE)
    assert ([run.stage for run in claimed.runs], claimed.quarantined) == ([Stage.DONE], ())
