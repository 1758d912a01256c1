"""Threads: one holder at a time, heirs in order, and nobody holds one for ever."""

from __future__ import annotations

from tests.integration.carrying import LEASE_MS, claim_one, claimed, created, ended, move
from threadrun.status import Stage
from worker.decide.decision import ThreadMove


async def test_a_new_thread_is_taken_and_indexed_for_the_run_it_was_made_for(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store, thread_id="thread_1")

    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == key
    assert [run.key for run in client.list(thread_id="thread_1")] == [key]
    assert 89 * 86_400 < backend.sync.ttl(backend.keys.index_thread("default", "thread_1")) <= 90 * 86_400
    waiting = client.enqueue("asst", thread_id="thread_1").key
    assert client.get(waiting).stage is Stage.WAITING


async def test_a_thread_that_was_made_too_late_is_not_held_by_anybody(backend, client, store):
    """Two holders made a thread each: the run goes on with the first, and the second must stay free."""
    client.enqueue("asst", messages="hi")
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    newer = await claim_one(store, Stage.CREATE)
    await move(store, newer, Stage.CREATE, facts={"thread_id": "first"}, thread=ThreadMove.TAKE)
    await move(store, late, Stage.CREATE, facts={"thread_id": "second"}, thread=ThreadMove.TAKE)

    assert [name for name in backend.left() if name.startswith(("thread:", "index:thread:"))] == [
        "index:thread:default:first",
        "thread:default:first:active",
    ]


async def test_a_thread_that_was_made_for_a_run_that_had_ended_is_not_held(backend, client, store):
    client.enqueue("asst", messages="hi")
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    await ended(store, await claim_one(store, Stage.CREATE))

    written = await move(store, late, Stage.CREATE, facts={"thread_id": "second"}, thread=ThreadMove.TAKE)

    assert (written.ok, written.learnt) == (False, True)
    assert not backend.sync.exists(backend.keys.thread("default", "second") + ":active")


async def test_a_freed_thread_goes_to_the_run_that_waited_longest_which_is_due_at_once(
    backend, client, store
):
    first, second, third = (client.enqueue("asst", thread_id="thread_1").key for _ in range(3))
    assert await claimed(store, Stage.WAITING) == []

    await ended(store, await claim_one(store, Stage.CREATE))

    thread = backend.keys.thread("default", "thread_1")
    assert backend.sync.get(f"{thread}:active") == second
    assert backend.sync.lrange(f"{thread}:waiting", 0, -1) == [third]
    heir = await claim_one(store, Stage.WAITING)
    assert heir.key == second
    assert await store.holds_thread(heir)
    assert first not in backend.sync.lrange(f"{thread}:waiting", 0, -1)


async def test_the_heir_is_told_even_while_somebody_holds_its_claim(backend, client, store):
    client.enqueue("asst", thread_id="thread_1")
    heir = client.enqueue("asst", thread_id="thread_1").key
    backend.turn(30)
    waiting = await claim_one(store, Stage.WAITING)
    assert not await store.holds_thread(waiting)
    await ended(store, await claim_one(store, Stage.CREATE))

    assert await store.rest(waiting, 30_000)
    assert [run.key for run in await claimed(store, Stage.WAITING)] == [heir]


async def test_a_waiting_run_that_ends_leaves_the_queue_and_the_thread_stays_with_its_holder(
    backend, client, store
):
    holder = client.enqueue("asst", thread_id="thread_1").key
    leaver, stayer = (client.enqueue("asst", thread_id="thread_1").key for _ in range(2))
    backend.turn(30)
    (run,) = [run for run in await claimed(store, Stage.WAITING) if run.key == leaver]
    await ended(store, run)

    thread = backend.keys.thread("default", "thread_1")
    assert backend.sync.get(f"{thread}:active") == holder
    assert backend.sync.lrange(f"{thread}:waiting", 0, -1) == [stayer]


async def test_a_thread_is_not_left_to_a_run_whose_record_is_gone(backend, client, store):
    client.enqueue("asst", thread_id="thread_1")
    gone, heir = (client.enqueue("asst", thread_id="thread_1").key for _ in range(2))
    backend.sync.delete(backend.keys.run(gone))

    await ended(store, await claim_one(store, Stage.CREATE))

    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == heir
    assert not backend.sync.exists(backend.keys.run(gone))


async def test_the_last_holder_leaves_no_trace_in_the_mailbox(backend, client, store):
    client.enqueue("asst", thread_id="thread_1")
    await ended(store, await claim_one(store, Stage.CREATE))

    assert [name for name in backend.left() if name.startswith("thread:")] == []
