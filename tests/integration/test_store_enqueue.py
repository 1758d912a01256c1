"""The enqueue script: a run is accepted whole or not at all, once a key."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.integration.carrying import claim_one, claimed, finish_from
from threadrun.errors import IdempotencyConflict, ThreadBusy
from threadrun.status import Stage


async def test_enqueueing_writes_record_agenda_indexes_and_first_event_in_one_step(backend, client):
    handle = client.enqueue("asst", messages="hi", idempotency_key="order-7", deadline_seconds=90)

    assert (handle.key, handle.created) == ("order-7", True)
    now = backend.now_ms()
    assert backend.left() == {
        "agenda:create:default": "zset",
        "index:runs": "zset",
        "index:status:none": "zset",
        "run:order-7": "hash",
        "run:order-7/events": "list",
        "stream": "stream",
    }
    for name in ("agenda:create:default", "index:runs", "index:status:none"):
        assert backend.dump()[name] == [("order-7", now)]
    assert [json.loads(text) for text in backend.dump()["run:order-7/events"]] == [
        {"seq": 1, "at_ms": now, "type": "run.enqueued", "profile": "default"}
    ]
    record = backend.dump()["run:order-7"]
    assert (record["created_ms"], record["deadline_ms"]) == (str(now), str(now + 90_000))
    assert (record["version"], record["claim"], record["news"], record["stage"]) == ("1", "0", "0", "create")


async def test_the_stream_tells_followers_which_run_has_a_new_event(backend, client):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    client.cancel("order-7")

    entries = [fields for _, fields in backend.sync.xrange(backend.keys.stream())]
    assert entries == [{"run": "order-7", "seq": "1"}, {"run": "order-7", "seq": "2"}]


async def test_the_same_key_with_the_same_request_gives_the_same_run(backend, client):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    before = backend.dump()
    backend.turn(5)

    again = client.enqueue("asst", messages="hi", idempotency_key="order-7")

    assert (again.key, again.created) == ("order-7", False)
    assert backend.dump() == before


async def test_the_same_key_with_another_request_is_refused_and_changes_nothing(backend, client):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    before = backend.dump()

    with pytest.raises(IdempotencyConflict) as caught:
        client.enqueue("asst", messages="ho", idempotency_key="order-7")

    assert caught.value.run_key == "order-7"
    assert backend.dump() == before


async def test_a_finished_run_still_answers_for_its_key(backend, client, store):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    await finish_from(store, Stage.CREATE)
    before = backend.dump()

    assert not client.enqueue("asst", messages="hi", idempotency_key="order-7").created
    with pytest.raises(IdempotencyConflict):
        client.enqueue("asst", messages="ho", idempotency_key="order-7")
    assert backend.dump() == before


async def test_a_key_whose_record_has_expired_stands_for_a_new_run(backend, client, store):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    await finish_from(store, Stage.CREATE)
    for name in (backend.keys.run("order-7"), backend.keys.events("order-7")):
        backend.sync.delete(name)

    assert client.enqueue("asst", messages="ho", idempotency_key="order-7").created
    assert [event.seq for event in client.events("order-7")] == [1]
    assert [run.key for run in client.list(status="none")] == ["order-7"]


async def test_of_many_enqueues_of_one_key_at_once_exactly_one_creates_the_run(backend):
    clients = [backend.async_client() for _ in range(4)]

    handles = await asyncio.gather(
        *(each.enqueue("asst", messages="hi", idempotency_key="order-7") for each in clients * 5)
    )

    assert [handle.created for handle in handles].count(True) == 1
    assert backend.sync.llen(backend.keys.events("order-7")) == 1


async def test_a_run_on_a_free_thread_holds_it_and_is_due_at_once(backend, client, store):
    key = client.enqueue("asst", thread_id="thread_1").key

    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == key
    assert (await claim_one(store, Stage.CREATE)).key == key


async def test_a_run_on_a_busy_thread_waits_in_the_order_of_arrival(backend, client, store):
    client.enqueue("asst", thread_id="thread_1")
    waiting = [client.enqueue("asst", thread_id="thread_1").key for _ in range(2)]

    assert backend.sync.lrange(backend.keys.thread("default", "thread_1") + ":waiting", 0, -1) == waiting
    assert [client.get(key).stage for key in waiting] == [Stage.WAITING] * 2
    backend.turn(29.999)
    assert await claimed(store, Stage.WAITING) == []
    backend.turn(0.001)
    assert {run.key for run in await claimed(store, Stage.WAITING)} == set(waiting)


async def test_a_busy_thread_refuses_a_run_that_will_not_wait_and_nothing_is_stored(backend, client):
    holder = client.enqueue("asst", thread_id="thread_1").key
    before = backend.dump()

    with pytest.raises(ThreadBusy) as caught:
        client.enqueue("asst", thread_id="thread_1", thread_strategy="reject", idempotency_key="order-7")

    assert (caught.value.thread_id, caught.value.active_run_key) == ("thread_1", holder)
    assert backend.dump() == before


async def test_a_run_that_will_not_wait_is_accepted_on_a_free_thread_and_again_by_its_key(backend, client):
    options = {"thread_id": "thread_1", "thread_strategy": "reject", "idempotency_key": "order-7"}
    assert client.enqueue("asst", **options).created
    assert not client.enqueue("asst", **options).created


async def test_an_interrupting_run_has_the_holder_cancelled_and_goes_before_those_that_wait(
    backend, client, store
):
    holder = client.enqueue("asst", thread_id="thread_1").key
    waiting = client.enqueue("asst", thread_id="thread_1").key
    options = {"thread_id": "thread_1", "thread_strategy": "interrupt", "idempotency_key": "order-7"}
    assert client.enqueue("asst", **options).created
    before = backend.dump()
    assert not client.enqueue("asst", **options).created

    assert backend.dump() == before
    assert client.get(holder).cancel_requested_at is not None
    assert dict(list(client.events(holder))[-1].data) == {"by": "order-7"}
    assert client.get(waiting).cancel_requested_at is None
    assert (await claim_one(store, Stage.CREATE)).cancel_ms == backend.now_ms()
    queue = backend.keys.thread("default", "thread_1") + ":waiting"
    assert backend.sync.lrange(queue, 0, -1) == ["order-7", waiting]


async def test_an_interrupting_run_on_a_free_thread_starts_at_once(client):
    assert client.enqueue("asst", thread_id="thread_1", thread_strategy="interrupt").created
    assert client.list(limit=1)[0].stage is Stage.CREATE


async def test_a_holder_already_wished_cancelled_is_wished_so_once(client):
    holder = client.enqueue("asst", thread_id="thread_1").key
    for _ in range(2):
        client.enqueue("asst", thread_id="thread_1", thread_strategy="interrupt")

    assert [event.type for event in client.events(holder)].count("run.cancel_requested") == 1


async def test_a_thread_whose_holder_s_record_was_deleted_by_hand_is_free(backend, client):
    gone = client.enqueue("asst", thread_id="thread_1").key
    backend.sync.delete(backend.keys.run(gone))

    assert client.get(client.enqueue("asst", thread_id="thread_1").key).stage is Stage.CREATE


async def test_the_same_thread_id_at_another_profile_is_another_thread(client):
    client.enqueue("asst", thread_id="thread_1")
    other = client.enqueue("asst", thread_id="thread_1", profile="azure").key
    assert client.get(other).stage is Stage.CREATE


@pytest.mark.parametrize("thread_id", ["a:active", "a b", "ü/é", "a%3Aactive", "x" * 256])
async def test_thread_ids_of_any_form_keep_apart(backend, client, store, thread_id):
    plain = client.enqueue("asst", thread_id="a").key
    odd = client.enqueue("asst", thread_id=thread_id).key

    assert client.get(odd).thread_id == thread_id
    assert [run.key for run in client.list(thread_id=thread_id)] == [odd]
    assert {run.key for run in await claimed(store, Stage.CREATE)} == {plain, odd}


@pytest.mark.parametrize("suffix", [":events", ":calls", ":events:calls"])
@pytest.mark.parametrize("longer_first", [False, True])
async def test_run_keys_that_look_like_parts_of_another_run_keep_apart(backend, client, suffix, longer_first):
    keys = ["order", f"order{suffix}"]
    for key in reversed(keys) if longer_first else keys:
        client.enqueue("asst", messages="hi", idempotency_key=key)

    for key in keys:
        assert [event.type for event in client.get(key).transitions] == ["run.enqueued"]


async def test_the_thread_index_expires_after_the_last_run(backend, client):
    client.enqueue("asst", thread_id="thread_1")
    ttl = backend.sync.ttl(backend.keys.index_thread("default", "thread_1"))
    assert 89 * 86_400 < ttl <= 90 * 86_400
