"""Purging open runs whose records cannot be read: all of them goes, and nothing that can be read does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.integration.carrying import LEASE_MS, claim_one, claimed, created, finish_from, move
from threadrun.errors import InvalidRequest, RunsStillOpen
from threadrun.status import Stage


def damaged(client, backend, field="request", value="{not json", **options):
    """Enqueue a run and spoil a field of its record; none: take it away."""
    key = client.enqueue("asst", messages="secret", idempotency_key="order-7", **options).key
    backend.sync.hdel(backend.keys.run(key), field)
    if value is not None:
        backend.sync.hset(backend.keys.run(key), field, value)
    return key


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request", "{not json"),
        ("stage", "nonsense"),
        ("lease_ms", "x"),
        ("profile", None),
        ("progress", "[]"),
    ],
)
async def test_an_open_run_that_cannot_be_read_goes_if_that_is_said(twin, client, backend, field, value):
    key = damaged(client, backend, field, value, thread_id="thread_1")
    backend.sync.zadd(backend.keys.quarantine(), {key: 1})

    with pytest.raises(RunsStillOpen):
        await twin.purge(key)
    done = await twin.purge(key, damaged=True)

    assert (done.clean, done.run_keys) == (True, (key,))
    assert key not in json.dumps(backend.dump())
    assert set(backend.left()) <= {"stream"}


@pytest.mark.parametrize("backend", ["redis"], indirect=True)  # fakeredis cannot say what such bytes come to
async def test_one_that_holds_bytes_that_are_no_text_goes_too(twin, client, backend):
    key = damaged(client, backend, "progress", b"\xff\xfe")

    assert (await twin.purge(key, damaged=True)).clean


@pytest.mark.parametrize("name", ["run", "events", "calls"])
async def test_one_of_whose_keys_is_of_another_type_goes_too(twin, client, backend, name):
    key = client.enqueue("asst", messages="hi", thread_id="thread_1", profile="other").key
    backend.sync.set(getattr(backend.keys, name)(key), "x")

    with pytest.raises(RunsStillOpen):
        await twin.purge(key)
    assert (await twin.purge(key, damaged=True)).clean
    assert set(backend.left()) <= {"stream"}


async def test_an_open_run_that_can_be_read_is_refused_and_nothing_is_purged(twin, client, backend):
    key = damaged(client, backend)
    client.enqueue("asst", messages="hi", idempotency_key="whole")
    before = backend.dump()

    with pytest.raises(RunsStillOpen) as refused:
        await twin.purge(key, "whole", damaged=True)

    assert refused.value.run_keys == ("whole",)
    assert backend.dump() == before


async def test_one_that_waits_behind_a_damaged_one_can_itself_be_read(twin, client, backend):
    holder = damaged(client, backend, thread_id="thread_1")
    client.enqueue("asst", messages="hi", thread_id="thread_1", idempotency_key="next")
    backend.sync.delete(backend.keys.run(holder))
    backend.sync.set(backend.keys.run(holder), "x")

    with pytest.raises(RunsStillOpen):
        await twin.purge("next", damaged=True)


async def test_a_record_of_a_newer_schema_is_not_damaged(twin, client, backend):
    key = damaged(client, backend, "schema", "2")

    with pytest.raises(RunsStillOpen):
        await twin.purge(key, damaged=True)


async def test_a_stage_of_a_newer_threadrun_is_no_damage(twin, client, backend):
    key = damaged(client, backend, "stage", "ponder")
    backend.sync.rename(backend.keys.agenda("create", "default"), backend.keys.agenda("ponder", "default"))

    with pytest.raises(RunsStillOpen):
        await twin.purge(key, damaged=True)


@pytest.mark.parametrize("field", ["request", "progress"])
async def test_one_that_is_mended_meanwhile_is_left_whole(client, backend, monkeypatch, field):
    whole = client.enqueue("asst", messages="hi", idempotency_key="order-7").key
    right = backend.sync.hget(backend.keys.run(whole), field) or "{}"
    backend.sync.hset(backend.keys.run(whole), field, "{not json")
    real, reads = type(backend.sync).pipeline, []

    def pipeline(redis, transaction=True, **options):
        pipe = real(redis, transaction=transaction, **options)
        if transaction:  # a read of the record in one moment, after which somebody mends it
            execute = pipe.execute
            pipe.execute = lambda: mended(execute())
        return pipe

    def mended(found):
        reads.append(found)
        backend.sync.hset(backend.keys.run(whole), field, right)
        return found

    monkeypatch.setattr(type(backend.sync), "pipeline", pipeline)
    done = client.purge(whole, damaged=True)

    assert reads
    assert (done.clean, done.run_keys) == (False, ())
    assert client.get(whole).request.assistant_id == "asst"
    assert client.waits_for(whole).agendas == (Stage.CREATE,)


async def test_its_thread_goes_to_the_next_run_that_waits(twin, client, store, backend):
    key = damaged(client, backend, thread_id="thread_1")
    for name in ("string", "next", "last"):
        client.enqueue("asst", messages="hi", thread_id="thread_1", idempotency_key=name)
    backend.sync.delete(backend.keys.run("string"))
    backend.sync.set(backend.keys.run("string"), "x")  # no heir: it is not known what it waits for

    assert (await twin.purge(key, damaged=True)).clean

    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == "next"
    assert "next" in [run.key for run in await claimed(store, Stage.WAITING)]
    assert (await twin.purge("string", damaged=True)).clean


async def test_one_that_waits_leaves_its_place(twin, client, backend):
    client.enqueue("asst", messages="hi", thread_id="thread_1", idempotency_key="first")
    key = damaged(client, backend, thread_id="thread_1")
    client.enqueue("asst", messages="hi", thread_id="thread_1", idempotency_key="last")

    assert (await twin.purge(key, damaged=True)).clean

    mailbox = backend.keys.thread("default", "thread_1")
    assert backend.sync.get(mailbox + ":active") == "first"
    assert backend.sync.lrange(mailbox + ":waiting", 0, -1) == ["last"]


async def test_what_a_worker_still_had_in_hand_of_it_comes_to_nothing(client, store, backend):
    key = damaged(client, backend)
    run = await claim_one(store, Stage.CREATE)

    assert client.purge(key, damaged=True).clean

    assert not (await move(store, run, Stage.POLL, facts={"run_id": "run_1"})).ok
    assert not await store.rest(run, 0)
    assert await store.unread(Stage.CREATE, "default", key, LEASE_MS) == 0
    assert set(backend.left()) <= {"stream"}


async def test_a_damaged_record_keeps_no_other_purge_from_its_work(client, store, backend):
    backend.sync.set(backend.clock_key, int(backend.sync.time()[0]) * 1000)
    client.enqueue("asst", messages="hi", thread_id="thread_1", idempotency_key="a")
    await created(store)
    await finish_from(store, Stage.POLL)
    key = damaged(client, backend, "finished_ms", "x")
    backend.sync.lset(backend.keys.events(key), 0, "{not json")
    client.enqueue("asst", messages="hi", idempotency_key="string")
    backend.sync.delete(backend.keys.run("string"))
    backend.sync.set(backend.keys.run("string"), "x")

    done = client.purge(older_than=timedelta(0))

    assert (done.clean, done.run_keys) == (True, ("a",))


async def test_it_goes_by_its_key_alone(twin):
    for asked in ({"thread_id": "thread_1"}, {"older_than": timedelta(0)}):
        with pytest.raises(InvalidRequest, match="damaged"):
            await twin.purge(damaged=True, **asked)
