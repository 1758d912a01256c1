"""Claims: due runs of one stage and profile, each for one holder at a time."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.carrying import LEASE_MS, claim_one, claimed, move
from threadrun.status import Stage


async def test_only_runs_that_are_due_are_claimed(backend, client, store):
    late, soon = (client.enqueue("asst", messages="hi").key for _ in range(2))
    for run in await claimed(store, Stage.CREATE):
        await store.rest(run, 5_000 if run.key == soon else 60_000)

    backend.turn(4.999)
    assert await claimed(store, Stage.CREATE) == []
    backend.turn(0.001)
    assert [run.key for run in await claimed(store, Stage.CREATE)] == [soon]
    backend.turn(60)
    assert late in {run.key for run in await claimed(store, Stage.CREATE)}


async def test_a_claim_takes_no_more_than_asked_and_the_longest_due_first(backend, client, store):
    keys = []
    for _ in range(3):
        keys.append(client.enqueue("asst", messages="hi").key)
        backend.turn(1)

    assert [run.key for run in await claimed(store, Stage.CREATE, limit=2)] == keys[:2]
    assert [run.key for run in await claimed(store, Stage.CREATE, limit=2)] == keys[2:]


async def test_a_claim_takes_only_its_own_stage_and_profile(client, store):
    other = client.enqueue("asst", messages="hi", profile="azure").key
    client.enqueue("asst", messages="hi")

    assert await claimed(store, Stage.POLL) == []
    assert [run.key for run in await claimed(store, Stage.CREATE, profile="azure")] == [other]


async def test_a_claimed_run_is_due_again_when_the_lease_lapses_and_not_before(backend, client, store):
    client.enqueue("asst", messages="hi")
    first = await claim_one(store, Stage.CREATE)

    backend.turn((LEASE_MS - 1) / 1000)
    assert await claimed(store, Stage.CREATE) == []
    backend.turn(0.001)
    again = await claim_one(store, Stage.CREATE)

    assert (again.key, again.version) == (first.key, first.version)


async def test_each_claim_has_a_fresh_number_and_makes_the_one_before_it_worthless(backend, client, store):
    client.enqueue("asst", messages="hi")
    first = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    second = await claim_one(store, Stage.CREATE)

    assert second.claim == first.claim + 1
    assert not (await move(store, first, Stage.POLL)).ok
    assert not await store.rest(first, 0)
    assert not await store.renew(first, LEASE_MS)
    assert (await move(store, second, Stage.POLL)).ok


async def test_a_renewed_claim_lasts_a_whole_lease_from_then(backend, client, store):
    client.enqueue("asst", messages="hi")
    run = await claim_one(store, Stage.CREATE)

    backend.turn(15)
    assert await store.renew(run, LEASE_MS)
    backend.turn(19.999)
    assert await claimed(store, Stage.CREATE) == []
    backend.turn(0.001)
    assert len(await claimed(store, Stage.CREATE)) == 1


async def test_a_run_of_a_newer_schema_is_left_alone_and_stays_due_for_newer_workers(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    backend.sync.hset(backend.keys.run(key), "schema", 2)
    before = backend.dump("run:")

    assert await claimed(store, Stage.CREATE) == []
    assert backend.dump("run:") == before
    assert backend.dump("agenda:") == {"agenda:create:default": [(key, backend.now_ms() + 1_000)]}


async def test_runs_of_a_newer_schema_do_not_keep_others_from_being_claimed(backend, client, store):
    newer = [client.enqueue("asst", messages="hi").key for _ in range(3)]
    for key in newer:
        backend.sync.hset(backend.keys.run(key), "schema", 2)
    backend.turn(0.5)
    ours = client.enqueue("asst", messages="hi").key

    assert await claimed(store, Stage.CREATE, limit=3) == []
    assert [run.key for run in await claimed(store, Stage.CREATE, limit=3)] == [ours]


async def test_a_run_whose_record_is_gone_leaves_the_agenda(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    backend.sync.delete(backend.keys.run(key))

    assert await claimed(store, Stage.CREATE) == []
    assert backend.dump("agenda:", f"run:{key}") == {
        name: value for name, value in backend.dump().items() if name.endswith(("events",))
    }


async def test_a_claim_takes_the_wake_mark_away_so_that_the_next_due_run_is_woken_at_once(
    backend, client, store
):
    mark = backend.keys.wake(Stage.CREATE, "default")
    backend.sync.set(mark, 1)

    await claimed(store, Stage.CREATE)
    assert not backend.sync.exists(mark)


async def test_claimers_at_the_same_time_never_get_the_same_run(backend, client):
    keys = {client.enqueue("asst", messages="hi").key for _ in range(60)}
    stores = [backend.store() for _ in range(6)]

    got = await asyncio.gather(*(claimed(store, Stage.CREATE, limit=7) for store in stores * 3))

    taken = [run.key for runs in got for run in runs]
    assert len(taken) == len(set(taken))
    assert set(taken) == keys


async def test_a_record_that_cannot_be_read_does_not_keep_its_neighbours_from_being_claimed(
    backend, client, store
):
    broken, whole = (client.enqueue("asst", messages="hi").key for _ in range(2))
    backend.sync.hset(backend.keys.run(broken), "progress", '{"intent":{"effect":"something_new"}}')

    claim = await store.claim(Stage.CREATE, "default", 10, LEASE_MS)

    assert [run.key for run in claim.runs] == [whole]
    assert claim.unreadable == (broken,)
    assert dict(backend.dump("agenda:")["agenda:create:default"])[broken] == backend.now_ms() + LEASE_MS


@pytest.mark.parametrize("field", ["schema", "lease_ms", "deadline_ms", "claim", "stage"])
async def test_no_field_of_one_record_can_break_the_claim_of_all(backend, client, store, field):
    broken, whole = (client.enqueue("asst", messages="hi").key for _ in range(2))
    backend.sync.hset(backend.keys.run(broken), field, "soon")

    claim = await store.claim(Stage.CREATE, "default", 10, LEASE_MS)

    assert ([run.key for run in claim.runs], claim.unreadable) == ([whole], (broken,))


async def test_a_key_that_is_no_record_can_be_put_off_too(backend, client, store):
    broken, whole = (client.enqueue("asst", messages="hi").key for _ in range(2))
    backend.sync.set(backend.keys.run(broken), "no hash")

    claim = await store.claim(Stage.CREATE, "default", 10, LEASE_MS)
    assert ([run.key for run in claim.runs], claim.unreadable) == ([whole], (broken,))
    assert await store.unread(Stage.CREATE, "default", broken, LEASE_MS) == 0

    assert [(one.place, one.state) for one in client.quarantined()] == [(broken, "unreadable")]
    assert dict(backend.dump("agenda:")["agenda:create:default"])[broken] == backend.now_ms() + 3_600_000


async def test_a_claim_gives_what_decisions_are_made_from(backend, client, store):
    backend.sync.zadd(backend.keys.profiles(), {"default": backend.now_ms()})
    key = client.enqueue(
        "asst",
        thread_id="thread_1",
        deadline_seconds=90,
        on_done="shop.done",
        tools=[{"type": "file_search"}],
    ).key

    run = await claim_one(store, Stage.CREATE)

    assert (run.key, run.profile, run.stage, run.assistant_id) == (key, "default", Stage.CREATE, "asst")
    assert (run.thread_id, run.run_id, run.status, run.index_label) == ("thread_1", None, "", "none")
    assert (run.created_ms, run.deadline_ms) == (backend.now_ms(), backend.now_ms() + 90_000)
    assert (run.tool_names, run.tells, run.cancel_ms, run.round) == ("-", True, 0, 0)
