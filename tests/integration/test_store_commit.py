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
    ended,
    move,
    opened,
    settle,
    shown,
)
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, Stage
from worker.decide.decision import Changes, Event, ThreadMove
from worker.store.ledger import CallAddress
from worker.store.runs import Written
from worker.store.writes import sent_calls
from worker.view import CallView, Progress


def seqs(backend, key):
    return [json.loads(text)["seq"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]


def types(backend, key):
    return [json.loads(text)["type"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]


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
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    newer = await claim_one(store, Stage.CREATE)
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
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    newer = await claim_one(store, Stage.CREATE)
    await move(store, late, Stage.POLL, facts={fact: "first"})

    written = await move(store, newer, Stage.POLL, 5_000, facts={fact: "second"}, run=shown("queued"))

    assert not written.ok
    record = backend.sync.hgetall(backend.keys.run(key))
    assert (record[fact], record["stage"], record.get("status")) == ("first", "create", None)
    assert (await claim_one(store, Stage.CREATE)).claim == newer.claim + 1


async def test_a_fact_learnt_by_a_loser_makes_the_run_due_at_once_for_who_decides_next(
    backend, client, store
):
    client.enqueue("asst", messages="hi")
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    holder = await claim_one(store, Stage.CREATE)
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


async def test_the_rows_of_a_new_round_are_stored_whole(backend, client, store):
    client.enqueue("asst", messages="hi")
    await created(store)
    await opened(store, backend.now_ms(), 2, queue="slow", timeout_seconds=1.5, idempotent=True)
    backend.turn(5)

    rows = await store.calls(await claim_one(store, Stage.TOOLS))
    assert [(row.index, row.queue, row.timeout_seconds, row.idempotent, row.sends) for row in rows] == [
        (0, "slow", 1.5, True, 0), (1, "slow", 1.5, True, 0),
    ]  # fmt: skip


async def test_calls_that_were_sent_are_noted_in_their_round_and_published_with_it(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    run = await claim_one(store, Stage.POLL)
    first = CallView(0, CallState.PENDING, "add", sends=1, sent_ms=7)
    changes = {"opened": calls(1), "sent": (first,), "tools_until_ms": backend.now_ms() + 60_000}
    write = commit(run, Stage.TOOLS, 5_000, **changes)
    await store.commit(run, write)
    assert sent_calls(run, write.changes) == ((1, first),)
    backend.turn(5)

    run = await claim_one(store, Stage.TOOLS)
    (row,) = await store.calls(run)
    assert (row.sends, row.sent_ms) == (1, 7)
    again = replace(row, sends=2, sent_ms=9)
    write = commit(run, Stage.TOOLS, 5_000, sent=(again,))
    await store.commit(run, write)

    assert sent_calls(run, write.changes) == ((1, again),)
    ledger = backend.sync.hgetall(backend.keys.calls(key))
    assert (ledger["1:0:sends"], ledger["1:0:sent_ms"], ledger["1:size"]) == ("2", "9", "1")


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


async def test_withdrawing_touches_only_calls_that_nobody_has_begun(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 3)
    await claim_call(store, CallAddress(key, 1, 0), "a")
    await settle(store, CallAddress(key, 1, 0), "a")
    await claim_call(store, CallAddress(key, 1, 1), "b")
    backend.turn(5)

    await move(store, await claim_one(store, Stage.TOOLS), Stage.POLL, withdraw=True)

    states = [call.state.value for call in client.get(key).tool_calls]
    assert states == ["settled", "claimed", "withdrawn"]


async def test_withdrawing_leaves_earlier_rounds_as_they_are(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    run = await opened(store, backend.now_ms(), 1)
    backend.sync.hset(backend.keys.calls(key), "0:0:state", "pending")
    backend.sync.hset(backend.keys.calls(key), "0:size", 1)
    backend.turn(5)
    run = await claim_one(store, Stage.TOOLS)

    await move(store, run, Stage.TOOLS, 5_000, withdraw=True, opened=calls(2))

    ledger = backend.sync.hgetall(backend.keys.calls(key))
    assert [ledger[f"{at}:state"] for at in ("0:0", "1:0", "2:0", "2:1")] == [
        "pending", "withdrawn", "pending", "pending",
    ]  # fmt: skip
    record = backend.sync.hgetall(backend.keys.run(key))
    assert (record["round"], record["open"], record["total_calls"]) == ("2", "2", "3")


async def test_a_round_of_the_greatest_size_is_stored_whole(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 128)

    assert len(client.get(key).tool_calls) == 128


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
    late = await claim_one(store, Stage.CREATE)
    backend.turn(LEASE_MS / 1000)
    run = await claim_one(store, Stage.CREATE)
    await move(store, late, Stage.POLL, polls=1, requests=2)
    await store.rest(run, 0, polls=3, requests=4)

    record = client.get(key)
    assert (record.polls, record.requests) == (4, 6)
