"""Rounds of tool calls as a decision opens, notes and withdraws them."""

from __future__ import annotations

from dataclasses import replace

from tests.integration.carrying import calls, claim_call, claim_one, commit, created, move, opened, settle
from threadrun.status import CallState, Stage
from worker.store.ledger import CallAddress
from worker.store.writes import sent_calls
from worker.view import CallView


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
