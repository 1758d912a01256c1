"""Commits: facts are kept whatever follows, decisions are made by the newest claim alone and fail as a whole."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from tests.integration.carrying import (
    LEASE_MS,
    calls,
    claim_call,
    claim_one,
    claimed,
    commit,
    created,
    move,
    settle,
    shown,
)
from threadrun.records import ProviderAnswer
from threadrun.status import Stage
from worker.decide.decision import Changes, Event, ThreadMove
from worker.store.ledger import CallAddress
from worker.store.runs import Written
from worker.view import Progress


def seqs(backend, key):
    return [json.loads(text)["seq"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]


def types(backend, key):
    return [json.loads(text)["type"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]


async def claimed_twice(backend, store):
    """Claim the run, and once more when that lease has lapsed."""
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    return late, await claim_one(store, Stage.CREATE)


async def test_a_decision_moves_the_run_and_its_agenda_entry_in_one_step(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)

    written = await move(store, run, Stage.POLL, 250, run=shown("queued"), events=(Event("run.created"),))

    assert written == Written(ok=True, version=run.version + 1, seq=2, learnt=False)
    assert backend.dump("agenda:") == {"agenda:poll:default": [(key, backend.now_ms() + 250)]}
    record = backend.sync.hgetall(backend.keys.run(key))
    assert (record["stage"], record["status"], record["lease_ms"]) == ("poll", "queued", "0")
    assert json.loads(backend.sync.lindex(backend.keys.events(key), -1)) == {
        "seq": 2, "at_ms": backend.now_ms(), "type": "run.created", "from": "create", "to": "poll",
    }  # fmt: skip


async def test_events_of_one_write_stand_in_their_order_however_many_they_are(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    told = tuple(Event("tool.sent_again", {"index": index}) for index in range(450))

    written = await move(store, run, Stage.POLL, 250, events=told)

    assert written.seq == 451
    assert seqs(backend, key) == list(range(1, 452))
    events = backend.sync.lrange(backend.keys.events(key), 1, -1)
    assert [json.loads(text)["index"] for text in events] == list(range(450))


async def test_each_decision_adds_one_to_the_version_however_often_the_run_was_claimed(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    for _ in range(4):
        await store.rest(await claim_one(store, Stage.CREATE), 0)
    run = await claim_one(store, Stage.CREATE)
    assert (run.version, run.claim) == (1, 5)

    assert (await move(store, run, Stage.POLL)).version == 2
    assert backend.sync.hget(backend.keys.run(key), "version") == "2"
    assert (await claim_one(store, Stage.POLL)).version == 2


@pytest.mark.parametrize("lost_by", ["version", "claim"])
async def test_a_decision_that_comes_too_late_loses_as_a_whole_but_its_facts_are_kept(
    backend, client, store, lost_by
):
    key = client.enqueue("asst", messages="hi").key
    late = await claim_one(store, Stage.CREATE)
    if lost_by == "claim":
        backend.turn(LEASE_MS / 1000)
        await claim_one(store, Stage.CREATE)
    else:
        await move(store, late, Stage.CREATE, keep_lease=True)
    before = backend.sync.hgetall(backend.keys.run(key))

    written = await move(
        store,
        late,
        Stage.FINALIZE,
        polls=1,
        requests=2,
        facts={"run_id": "run_7"},
        fact_events=(Event("run.created", {"run_id": "run_7"}),),
        run=shown("completed"),
        events=(Event("run.ended"),),
        opened=calls(1),
        thread=ThreadMove.FREE,
    )

    assert written == Written(ok=False, version=int(before["version"]), seq=2, learnt=True)
    after = backend.sync.hgetall(backend.keys.run(key))
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    assert changed == {"run_id": "run_7", "polls": "1", "requests": "2", "news": "1"}
    assert types(backend, key) == ["run.enqueued", "run.created"]
    assert not backend.sync.exists(backend.keys.calls(key))


async def test_a_fact_is_set_once_and_the_first_one_stays(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    late, newer = await claimed_twice(backend, store)
    await move(store, late, Stage.POLL, facts={"run_id": "run_a"}, fact_events=(Event("run.created"),))

    written = await move(
        store, newer, Stage.CREATE, facts={"run_id": "run_a"}, fact_events=(Event("run.created"),)
    )

    assert (written.ok, written.learnt) == (True, False)
    assert types(backend, key) == ["run.enqueued", "run.created"]


@pytest.mark.parametrize("fact", ["run_id", "thread_id"])
async def test_a_decision_about_another_run_or_thread_than_the_known_one_loses_and_the_run_is_due_at_once(
    backend, client, store, fact
):
    key = client.enqueue("asst", messages="hi").key
    late, newer = await claimed_twice(backend, store)
    await move(store, late, Stage.POLL, facts={fact: "first"})

    written = await move(store, newer, Stage.POLL, 5_000, facts={fact: "second"}, run=shown("queued"))

    assert not written.ok
    record = backend.sync.hgetall(backend.keys.run(key))
    assert (record[fact], record["stage"], record.get("status")) == ("first", "create", None)
    assert (await claim_one(store, Stage.CREATE)).claim == newer.claim + 1


async def test_who_ends_a_run_without_its_thread_comes_too_late_if_another_has_learnt_of_one(
    backend, client, store
):
    client.enqueue("asst", messages="hi")
    late, newer = await claimed_twice(backend, store)
    await move(store, late, Stage.CREATE, facts={"thread_id": "thread_1"}, thread=ThreadMove.TAKE)

    assert not (await move(store, newer, Stage.FINALIZE, thread=ThreadMove.FREE)).ok
    again = await claim_one(store, Stage.CREATE)
    assert again.thread_id == "thread_1"
    assert (await move(store, again, Stage.FINALIZE, thread=ThreadMove.FREE)).ok
    assert backend.dump("thread:") == {}


async def test_a_fact_learnt_by_a_loser_makes_the_run_due_at_once_for_who_decides_next(
    backend, client, store
):
    client.enqueue("asst", messages="hi")
    late, holder = await claimed_twice(backend, store)
    await move(store, late, Stage.POLL, facts={"run_id": "run_7"})

    assert await claimed(store, Stage.CREATE) == []
    assert await store.rest(holder, 60_000)
    assert (await claim_one(store, Stage.CREATE)).run_id == "run_7"


async def test_a_repeated_write_gets_the_first_answer_and_changes_nothing(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    write = commit(
        run, Stage.POLL, 250, facts={"run_id": "run_7"}, fact_events=(Event("run.created"),),
        events=(Event("run.status_changed"),), polls=1, requests=1, opened=calls(2),
    )  # fmt: skip

    first = await store.commit(run, write)
    before = backend.dump()
    backend.turn(1)

    assert await store.commit(run, write) == first == Written(ok=True, version=2, seq=3, learnt=True)
    assert backend.dump() == before
    assert seqs(backend, key) == [1, 2, 3]


async def test_a_repeated_write_gets_the_first_answer_even_when_the_last_output_came_in_between(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    run = await claim_one(store, Stage.POLL)
    write = commit(run, Stage.TOOLS, 5_000, opened=calls(1), tools_until_ms=backend.now_ms() + 60_000)
    first = await store.commit(run, write)
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "token")
    assert await settle(store, at, "token") == ("settled", 0)

    assert await store.commit(run, write) == first
    assert backend.sync.hget(backend.keys.run(key), "stage") == "submit"


async def test_events_are_numbered_without_gaps_whoever_writes_them(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    views = []
    for _ in range(4):
        views.append(await claim_one(store, Stage.CREATE))
        backend.turn(LEASE_MS / 1000)
    stores = [backend.store() for _ in views]

    await asyncio.gather(
        *(
            move(
                each,
                view,
                Stage.CREATE,
                facts={f"submitted:{n}": "run_7"},
                fact_events=(Event("tool_outputs.submitted"), Event("run.created")),
                events=(Event("run.held"),),
            )
            for n, (each, view) in enumerate(zip(stores, views, strict=True))
        ),
        asyncio.to_thread(client.cancel, key),
    )

    found = seqs(backend, key)
    assert found == list(range(1, len(found) + 1))
    assert len(found) == 1 + 2 * 4 + 1 + 1


async def test_news_during_a_claim_makes_the_run_due_at_once(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    assert client.cancel(key)
    assert await claimed(store, Stage.CREATE) == []

    await move(store, run, Stage.POLL, 60_000)

    assert (await claim_one(store, Stage.POLL)).cancel_ms == backend.now_ms()


async def test_news_before_a_claim_is_no_news_to_its_holder(backend, client, store):
    client.cancel(client.enqueue("asst", messages="hi").key)
    run = await claim_one(store, Stage.CREATE)

    await move(store, run, Stage.POLL, 60_000)
    assert await claimed(store, Stage.POLL) == []


async def test_a_holder_that_goes_on_with_a_request_keeps_the_lease_even_when_news_came(
    backend, client, store
):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    client.cancel(key)
    backend.turn(5)

    assert (await move(store, run, Stage.CREATE, LEASE_MS, keep_lease=True)).ok

    until = backend.now_ms() + LEASE_MS
    assert backend.dump("agenda:") == {"agenda:create:default": [(key, until)]}
    assert backend.sync.hget(backend.keys.run(key), "lease_ms") == str(until)
    client.cancel(key)
    backend.turn((LEASE_MS - 1) / 1000)
    assert await claimed(store, Stage.CREATE) == []


async def test_what_a_look_showed_is_stored_for_whoever_looks_next(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    found = shown("completed", model="gpt-9", usage=usage, x_unknown=[1])
    remembered = Progress(errors=2, held="rate_limited", created_seen_ms=5)
    write = replace(
        commit(run, Stage.POLL), changes=Changes(remembered, run=found, answer=ProviderAnswer(200, "OK"))
    )

    await store.commit(run, write)

    assert (await claim_one(store, Stage.POLL)).progress == remembered
    model, used = await store.text(key, "model", "usage_of_run")
    assert (model, json.loads(used)) == ("gpt-9", usage)
    record = client.get(key)
    assert record.run.to_wire() == {
        "id": "run_1",
        "status": "completed",
        "model": "gpt-9",
        "usage": usage,
        "x_unknown": [1],
    }
    assert (record.last_answer, record.held) == (ProviderAnswer(200, "OK"), "rate_limited")


async def test_the_status_index_holds_the_run_where_its_status_is(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    created_ms = backend.now_ms()
    run = await claim_one(store, Stage.CREATE)
    backend.turn(3)
    await move(store, run, Stage.POLL, run=shown("queued"))
    run = await claim_one(store, Stage.POLL)
    await move(store, run, Stage.POLL, run=shown("pondering"))

    assert backend.dump("index:status:") == {"index:status:queued": [(key, created_ms)]}
    await move(store, await claim_one(store, Stage.POLL), Stage.POLL, run=shown("in_progress"))
    assert backend.dump("index:status:") == {"index:status:in_progress": [(key, created_ms)]}


async def test_a_commit_to_a_record_that_is_gone_or_final_says_so_and_writes_nothing(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    backend.sync.delete(backend.keys.run(key))
    before = backend.dump()

    assert await move(store, run, Stage.POLL, facts={"run_id": "run_7"}) == Written(
        ok=False, version=0, seq=-1
    )
    assert backend.dump() == before


async def test_polls_and_requests_are_counted_by_winners_and_losers(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    late, run = await claimed_twice(backend, store)
    await move(store, late, Stage.POLL, polls=1, requests=2)
    await store.rest(run, 0, polls=3, requests=4)

    record = client.get(key)
    assert (record.polls, record.requests) == (4, 6)
