"""The cancel wish: a fact, recorded once, that has the run looked at."""

from __future__ import annotations

import pytest

from tests.integration.carrying import claim_one, claimed, created, finish_from, opened
from threadrun.errors import RunNotFound
from threadrun.status import Stage


async def test_a_wish_is_recorded_once_with_its_time_and_one_event(backend, client):
    key = client.enqueue("asst", messages="hi").key
    backend.turn(3)

    assert client.cancel(key)
    before = backend.dump()
    backend.turn(1)
    assert not client.cancel(key)

    assert backend.dump() == before
    record = client.get(key)
    assert (record.cancel_requested_at - record.created_at).total_seconds() == 3
    assert [event.type for event in record.transitions] == ["run.enqueued", "run.cancel_requested"]


async def test_a_run_that_nobody_holds_is_due_at_once(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await store.rest(await claim_one(store, Stage.CREATE), 600_000)

    client.cancel(key)

    (run,) = await claimed(store, Stage.CREATE)
    assert run.cancel_ms == backend.now_ms()


async def test_a_waiting_run_is_due_at_once(client, store):
    client.enqueue("asst", thread_id="thread_1")
    key = client.enqueue("asst", thread_id="thread_1").key
    client.cancel(key)
    assert [run.key for run in await claimed(store, Stage.WAITING)] == [key]


async def test_a_run_that_somebody_holds_is_left_to_its_holder_who_learns_of_the_wish(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    before = backend.dump("agenda:")

    client.cancel(key)

    assert backend.dump("agenda:") == before
    assert await store.rest(run, 600_000)
    assert (await claim_one(store, Stage.CREATE)).cancel_ms > 0


async def test_a_wish_for_a_run_whose_holder_died_is_due_when_the_lease_lapses_at_the_latest(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    await claim_one(store, Stage.CREATE)
    backend.turn(20.001)
    client.cancel(key)

    assert backend.dump("agenda:") == {"agenda:create:default": [(key, backend.now_ms())]}
    assert len(await claimed(store, Stage.CREATE)) == 1


async def test_a_wish_reaches_a_run_in_any_stage_without_bringing_it_into_another_agenda(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 1)

    client.cancel(key)

    assert backend.dump("agenda:") == {"agenda:tools:default": [(key, backend.now_ms())]}


async def test_a_finished_run_takes_no_wish(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await finish_from(store, Stage.CREATE)
    before = backend.dump()

    assert not client.cancel(key)
    assert backend.dump() == before


async def test_a_wish_for_a_run_that_is_not_there_leaves_nothing_behind(backend, client):
    with pytest.raises(RunNotFound) as caught:
        client.cancel("nobody")
    assert caught.value.run_key == "nobody"
    assert backend.left() == {}
