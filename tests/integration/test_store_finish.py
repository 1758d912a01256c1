"""Finishing: the final record is written once, and nothing changes it afterwards."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from tests.integration.carrying import (
    LEASE_MS,
    RETENTION_MS,
    claim_one,
    claimed,
    created,
    ended,
    finish_from,
    last_words,
    move,
    opened,
    settle,
    shown,
)
from threadrun.status import Outcome, Stage
from worker.decide.decision import ThreadMove
from worker.store.ledger import CallAddress
from worker.store.runs import Written

BOOKKEEPING = {"claim", "lease_ms"}
"""What a claim writes; no part of what a caller reads."""


def content(backend, key):
    record = backend.sync.hgetall(backend.keys.run(key))
    kept = {name: value for name, value in record.items() if name not in BOOKKEEPING}
    return (
        kept,
        backend.sync.lrange(backend.keys.events(key), 0, -1),
        backend.sync.hgetall(backend.keys.calls(key)),
    )


async def to_finalize(client, store, **options):
    key = client.enqueue("asst", **({"messages": "hi"} | options)).key
    await ended(store, await claim_one(store, Stage.CREATE))
    return key, await claim_one(store, Stage.FINALIZE)


async def test_the_final_record_is_written_with_its_last_event_in_one_step(backend, client, store):
    key, run = await to_finalize(client, store)
    backend.turn(3)

    assert await store.finish(run, last_words(run)) == Written(ok=True, version=run.version + 1, seq=3)

    record = client.get(key)
    assert (record.stage, record.outcome, record.final) == (Stage.DONE, Outcome.COMPLETED, True)
    assert (record.finished_at - record.created_at).total_seconds() == 3
    assert [event.type for event in record.transitions] == ["run.enqueued", "run.ended", "run.finished"]
    assert backend.dump("agenda:") == {}
    assert backend.dump("index:status:") == {
        "index:status:completed": [(key, backend.now_ms() - 3_000)],
    }


async def test_every_field_of_the_final_record_is_stored_as_given_and_its_requests_are_counted(
    backend, client, store
):
    key, run = await to_finalize(client, store)
    for _ in range(3):  # so that version and claim number are told apart
        backend.turn(LEASE_MS / 1000)
        run = await claim_one(store, Stage.FINALIZE)
    await move(store, run, Stage.FINALIZE, requests=2)
    run = await claim_one(store, Stage.FINALIZE)
    fields = {
        "steps": "[1]",
        "messages": "[2]",
        "missing": '["usage"]',
        "usage": '{"total_tokens":7}',
        "run": "{}",
    }
    final = replace(last_words(run, counters={"runs|m|a": 1}), fields=fields, requests=9)
    before = backend.sync.hgetall(backend.keys.run(key))

    await store.finish(run, final)

    after = backend.sync.hgetall(backend.keys.run(key))
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    assert changed == {
        **fields, "requests": "11", "stage": "done", "outcome": "completed", "finished_ms": str(backend.now_ms()),
        "version": str(run.version + 1), "lease_ms": "0", "last_op": final.op, "last_seq": "3",
    }  # fmt: skip
    assert backend.dump("usage:") == {"usage:2026-09-21": {"runs|m|a": "1"}}


async def test_a_repeated_finish_gets_the_first_answer_and_counts_nothing_twice(backend, client, store):
    _, run = await to_finalize(client, store)
    first = await store.finish(run, last_words(run))
    before = backend.dump()
    backend.turn(1)

    assert await store.finish(run, last_words(run)) == first
    assert backend.dump() == before
    assert backend.dump("usage:") == {
        "usage:2026-09-21": {"runs|gpt|asst": "1", "total_tokens|gpt|asst": "12"}
    }


async def test_of_two_finishers_only_the_holder_of_the_newest_claim_writes(backend, client, store):
    key, late = await to_finalize(client, store)
    backend.turn(LEASE_MS / 1000)
    newer = await claim_one(store, Stage.FINALIZE)
    before = content(backend, key)

    assert await store.finish(late, last_words(late, Outcome.LOST)) == Written(
        ok=False, version=late.version + 1, seq=2
    )
    assert content(backend, key) == before
    assert (await store.finish(newer, last_words(newer))).ok
    assert client.get(key).outcome is Outcome.COMPLETED


async def test_a_finish_decided_before_something_else_was_written_loses(backend, client, store):
    key, run = await to_finalize(client, store)
    await move(store, run, Stage.FINALIZE, keep_lease=True)
    before = content(backend, key)

    assert not (await store.finish(run, last_words(run))).ok
    assert content(backend, key) == before


async def test_a_finished_record_never_changes_whatever_comes_late(backend, client, store):
    key = client.enqueue("asst", messages="hi", on_done="shop.done").key
    late_create = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    await created(store)
    run = await opened(store, backend.now_ms(), 1)
    backend.turn(5)
    await claim_one(store, Stage.TOOLS)
    backend.turn(LEASE_MS / 1000)
    await finish_from(store, Stage.TOOLS)
    before = content(backend, key)

    assert not client.cancel(key)
    assert await settle(store, CallAddress(key, 1, 0), "") == ("late", 0)
    facts = {"run_id": "run_9", "thread_id": "thread_9"}
    late = await move(store, late_create, Stage.POLL, facts=facts, thread=ThreadMove.TAKE, polls=1)
    assert late == Written(ok=False, version=int(before[0]["version"]), seq=-1)
    assert not (await store.finish(run, last_words(run, op="another"))).ok
    done = await claim_one(store, Stage.FINALIZE)
    assert not (await move(store, done, Stage.POLL, run=shown("failed"))).ok
    assert not (await store.finish(done, last_words(done, op="another"))).ok
    await store.rest(done, 0)
    assert await store.told(await claim_one(store, Stage.FINALIZE))
    assert content(backend, key) == before
    assert not backend.sync.exists(backend.keys.thread("default", "thread_9") + ":active")


async def test_all_three_keys_of_a_finished_run_expire_together(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 1)
    keys = [backend.keys.run(key), backend.keys.events(key), backend.keys.calls(key)]
    assert [backend.sync.pttl(name) for name in keys] == [-1, -1, -1]
    backend.turn(5)

    await finish_from(store, Stage.TOOLS)

    for name in keys:
        assert RETENTION_MS - 60_000 < backend.sync.pttl(name) <= RETENTION_MS


async def test_finishing_frees_a_thread_that_is_still_held(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store, thread_id="thread_1")
    heir = client.enqueue("asst", thread_id="thread_1").key
    await move(store, await claim_one(store, Stage.POLL), Stage.FINALIZE)
    run = await claim_one(store, Stage.FINALIZE)
    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == key

    await store.finish(run, last_words(run))

    assert (await claim_one(store, Stage.WAITING)).key == heir


async def test_counters_of_several_runs_add_up_and_expire(backend, client, store):
    for _ in range(3):
        client.enqueue("asst", messages="hi")
        await finish_from(store, Stage.CREATE)

    usage = backend.keys.usage("2026-09-21")
    assert backend.sync.hgetall(usage) == {"runs|gpt|asst": "3", "total_tokens|gpt|asst": "36"}
    assert 89 * 86_400 < backend.sync.ttl(usage) <= 90 * 86_400


async def test_a_finish_without_counters_leaves_no_counters(backend, client, store):
    _, run = await to_finalize(client, store)
    await store.finish(run, last_words(run, counters={}))
    assert backend.dump("usage:") == {}


async def test_a_run_whose_caller_is_to_be_told_stays_due_until_told(backend, client, store):
    key, run = await to_finalize(client, store, on_done="shop.done")
    await store.finish(run, last_words(run))

    untold = await claim_one(store, Stage.FINALIZE)
    assert (untold.stage, untold.tells) == (Stage.DONE, True)
    assert await claimed(store, Stage.FINALIZE) == []
    backend.turn(LEASE_MS / 1000)
    again = await claim_one(store, Stage.FINALIZE)

    assert not await store.told(untold)
    assert [name for name, _ in backend.dump("agenda:")["agenda:finalize:default"]] == [key]
    assert await store.told(again)
    assert backend.dump("agenda:") == {}
    assert await store.told(again)


async def test_telling_keeps_the_life_of_a_finished_record(backend, client, store):
    key, run = await to_finalize(client, store, on_done="shop.done")
    await store.finish(run, last_words(run))
    await store.told(await claim_one(store, Stage.FINALIZE))

    assert 0 < backend.sync.pttl(backend.keys.run(key)) <= RETENTION_MS


async def test_an_untold_run_whose_record_has_expired_leaves_the_agenda(backend, client, store):
    key, run = await to_finalize(client, store, on_done="shop.done")
    await store.finish(run, last_words(run))
    backend.sync.delete(backend.keys.run(key))

    assert await claimed(store, Stage.FINALIZE) == []
    assert backend.dump("agenda:") == {}


async def test_finishers_at_the_same_time_write_one_record(backend, client, store):
    key, run = await to_finalize(client, store)
    stores = [backend.store() for _ in range(5)]

    written = await asyncio.gather(
        *(each.finish(run, last_words(run, op=f"op{n}")) for n, each in enumerate(stores))
    )

    assert [one.ok for one in written].count(True) == 1
    events = [json.loads(text)["type"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]
    assert events.count("run.finished") == 1
    assert backend.dump("usage:")["usage:2026-09-21"]["runs|gpt|asst"] == "1"
