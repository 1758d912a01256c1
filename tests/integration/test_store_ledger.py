"""The ledger: each tool call is begun by one claimant, settled once, and given back only by who holds it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from tests.integration.carrying import (
    claim_call,
    claim_one,
    claimed,
    created,
    ended,
    finish_from,
    last_words,
    move,
    opened,
    reopen,
    settle,
)
from threadrun.status import CallState, Stage
from worker.store.ledger import CallAddress, CallClaim, CallResult

UNTIL_MS = 30_000


@pytest.fixture
async def key(backend, client, store):
    """A run in stage tools with two calls of round 1, whose handlers have 30 s."""
    run_key = client.enqueue("asst", messages="add 3 and 4").key
    await created(store)
    await opened(store, backend.now_ms(), 2, until_ms=backend.now_ms() + UNTIL_MS)
    return run_key


def types(backend, key):
    return [json.loads(text)["type"] for text in backend.sync.lrange(backend.keys.events(key), 0, -1)]


async def test_a_claim_names_worker_child_and_an_absolute_deadline(backend, client, store, key):
    answer = await claim_call(store, CallAddress(key, 1, 0), "a", limit_ms=10_000)

    assert answer == CallClaim("yes", backend.now_ms(), backend.now_ms() + 10_000, 1)
    (call, other) = client.get(key).tool_calls
    assert (call.state, call.worker, call.attempts) == (CallState.CLAIMED, "tools@a", 1)
    assert (other.state, other.worker, other.attempts) == (CallState.PENDING, "", 0)
    assert backend.sync.hget(backend.keys.calls(key), "1:0:pid") == "4711"
    assert types(backend, key)[-1] == "tool.claimed"


async def test_a_handlers_deadline_is_never_later_than_the_run_allows(backend, store, key):
    answer = await claim_call(store, CallAddress(key, 1, 0), "a", limit_ms=3_600_000)
    assert answer.deadline_ms == backend.now_ms() + UNTIL_MS


async def test_a_call_is_not_begun_when_no_time_is_left(backend, client, store, key):
    backend.turn(UNTIL_MS / 1000)

    assert await claim_call(store, CallAddress(key, 1, 0), "a") == CallClaim("late", backend.now_ms(), 0, 0)
    assert client.get(key).tool_calls[0].state is CallState.PENDING


async def test_a_second_claimer_is_refused_and_the_first_one_asking_again_gets_the_same_answer(
    backend, client, store, key
):
    at = CallAddress(key, 1, 0)
    first = await claim_call(store, at, "a", limit_ms=10_000)
    backend.turn(2)
    before = backend.dump()

    assert await claim_call(store, at, "b") == CallClaim("taken", backend.now_ms(), 0, 0)
    again = await claim_call(store, at, "a", limit_ms=10_000)

    assert (again.verdict, again.deadline_ms, again.attempt) == ("yes", first.deadline_ms, first.attempt)
    assert again.now_ms == backend.now_ms()
    assert backend.dump() == before


async def test_of_many_claimers_at_once_exactly_one_begins(backend, store, key):
    at = CallAddress(key, 1, 0)
    answers = await asyncio.gather(*(claim_call(store, at, f"token{n}") for n in range(20)))
    assert sorted(answer.verdict for answer in answers) == ["taken"] * 19 + ["yes"]


@pytest.mark.parametrize("address", [(2, 0), (0, 0)])
async def test_a_call_of_another_round_is_not_begun(backend, store, key, address):
    backend.sync.hset(backend.keys.calls(key), f"{address[0]}:{address[1]}:state", "pending")
    assert (await claim_call(store, CallAddress(key, *address), "a")).verdict == "gone"


async def test_a_call_is_not_begun_when_its_run_has_left_stage_tools(backend, store, key):
    backend.turn(5)
    await move(store, await claim_one(store, Stage.TOOLS), Stage.POLL)

    assert await claim_call(store, CallAddress(key, 1, 0), "a") == CallClaim("gone", backend.now_ms(), 0, 0)


async def test_no_handler_begins_once_a_cancel_is_wished(backend, client, store, key):
    client.cancel(key)

    assert await claim_call(store, CallAddress(key, 1, 0), "a") == CallClaim("gone", backend.now_ms(), 0, 0)
    assert client.get(key).tool_calls[0].attempts == 0


async def test_a_claimant_asking_again_after_a_cancel_wish_still_holds_its_call(client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")
    client.cancel(key)

    assert (await claim_call(store, at, "a")).verdict == "yes"
    assert await settle(store, at, "a") == ("settled", 1)


async def test_an_unknown_call_is_neither_begun_nor_settled(store, key):
    assert (await claim_call(store, CallAddress(key, 1, 7), "a")).verdict == "unknown"
    assert await settle(store, CallAddress(key, 1, 7), "a") == ("late", 0)
    assert (await claim_call(store, CallAddress("nobody", 1, 0), "a")).verdict == "unknown"
    assert await settle(store, CallAddress("nobody", 1, 0), "a") == ("late", 0)
    assert not await reopen(store, CallAddress("nobody", 1, 0), "a")


async def test_an_output_is_settled_once_and_the_first_one_stays(backend, client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")
    backend.turn(2)

    assert await settle(store, at, "a", output="7") == ("settled", 1)
    before = backend.dump()
    assert await settle(store, at, "a", output="8") == ("already", 0)
    assert backend.dump() == before
    call = client.get(key).tool_calls[0]
    assert (call.output, call.kind, call.state) == ("7", "ok", CallState.SETTLED)
    assert (call.settled_at - call.claimed_at).total_seconds() == 2
    assert types(backend, key).count("tool.settled") == 1


async def test_a_settle_whose_answer_was_lost_is_told_the_same_when_it_is_repeated(
    backend, client, store, key
):
    for index in range(2):
        at = CallAddress(key, 1, index)
        await claim_call(store, at, "a")
        first = await settle(store, at, "a", op="a")
        before = backend.dump()

        assert await settle(store, at, "a", op="a") == first == ("settled", 1 - index)
        assert await settle(store, at, "a", op="b") == ("already", 0)
        assert backend.dump() == before


async def test_how_a_call_failed_is_stored_beside_what_the_model_gets(client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")
    await store.ledger.settle(
        at, "a", CallResult("sorry", "exception", "Traceback"), '{"type":"tool.settled"}', "op"
    )

    call = client.get(key).tool_calls[0]
    assert (call.output, call.kind, call.error) == ("sorry", "exception", "Traceback")


async def test_an_output_is_stored_as_it_is_byte_for_byte(client, store, key):
    text = '{"a": [], "n": 12345678901234567890, "s": "\\u0000 grüß \\" \\\\"}\n\x00\x7f'
    await claim_call(store, CallAddress(key, 1, 0), "a")
    await settle(store, CallAddress(key, 1, 0), "a", output=text)

    assert client.get(key).tool_calls[0].output == text


async def test_a_settle_by_anybody_but_the_holder_of_the_claim_is_fenced(backend, client, store, key):
    at = CallAddress(key, 1, 0)
    assert await settle(store, at, "a") == ("fenced", 0)
    await claim_call(store, at, "a")
    before = backend.dump()

    assert await settle(store, at, "b") == ("fenced", 0)
    assert await settle(store, at, "") == ("fenced", 0)
    assert backend.dump() == before


async def test_a_call_that_nobody_began_can_be_settled_in_its_handlers_place(client, store, key):
    assert await settle(store, CallAddress(key, 1, 0), "", kind="expired") == ("settled", 1)
    assert (await claim_call(store, CallAddress(key, 1, 0), "a")).verdict == "taken"


async def test_the_settle_that_leaves_none_open_moves_the_run_to_submit_in_the_same_step(
    backend, client, store, key
):
    await claim_call(store, CallAddress(key, 1, 0), "a")
    assert await settle(store, CallAddress(key, 1, 0), "a") == ("settled", 1)
    assert backend.dump("agenda:") == {"agenda:tools:default": [(key, backend.now_ms() + 5_000)]}
    version = backend.sync.hget(backend.keys.run(key), "version")
    await claim_call(store, CallAddress(key, 1, 1), "b")
    backend.turn(1)

    assert await settle(store, CallAddress(key, 1, 1), "b") == ("settled", 0)

    assert backend.dump("agenda:") == {"agenda:submit:default": [(key, backend.now_ms())]}
    record = backend.sync.hgetall(backend.keys.run(key))
    assert (record["stage"], int(record["version"]), record["open"]) == ("submit", int(version) + 1, "0")
    assert types(backend, key)[-2:] == ["tool.settled", "run.outputs_ready"]
    assert (await claim_one(store, Stage.SUBMIT)).key == key


async def test_the_last_settle_beats_a_decision_that_was_made_before_it(backend, client, store, key):
    backend.turn(5)
    run = await claim_one(store, Stage.TOOLS)
    await settle(store, CallAddress(key, 1, 0), "")
    await settle(store, CallAddress(key, 1, 1), "")

    assert not (await move(store, run, Stage.TOOLS, 5_000)).ok
    assert not await store.rest(run, 5_000)
    assert (await claim_one(store, Stage.SUBMIT)).claim == run.claim + 1


async def test_settles_at_the_same_time_move_the_run_exactly_once(backend, client, store):
    run_key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 8)
    for index in range(8):
        await claim_call(store, CallAddress(run_key, 1, index), f"token{index}")

    answers = await asyncio.gather(
        *(
            settle(backend.store(), CallAddress(run_key, 1, n), f"token{n}")
            for n in range(8)
            for _ in range(3)
        )
    )

    assert sorted(left for verdict, left in answers if verdict == "settled") == list(range(8))
    assert [verdict for verdict, _ in answers].count("already") == 16
    assert types(backend, run_key).count("run.outputs_ready") == 1


async def test_an_output_that_comes_after_the_run_moved_on_changes_nothing(backend, client, store, key):
    await claim_call(store, CallAddress(key, 1, 0), "a")
    backend.turn(5)
    await move(store, await claim_one(store, Stage.TOOLS), Stage.POLL, withdraw=True)
    before = backend.dump()

    assert await settle(store, CallAddress(key, 1, 0), "a") == ("late", 0)
    assert await settle(store, CallAddress(key, 1, 1), "") == ("late", 0)
    assert backend.dump() == before


async def test_an_output_of_an_earlier_round_does_not_count_for_the_present_one(backend, client, store, key):
    await claim_call(store, CallAddress(key, 1, 0), "a")
    backend.turn(5)
    await move(store, await claim_one(store, Stage.TOOLS), Stage.POLL, withdraw=True)
    await opened(store, backend.now_ms(), 1)
    before = backend.dump()

    assert await settle(store, CallAddress(key, 1, 0), "a") == ("late", 0)
    assert backend.dump() == before


async def test_a_call_given_back_is_pending_again_and_its_run_is_due(backend, client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")

    assert await reopen(store, at, "a", 4_000)

    call = (await store.calls(await claim_one(store, Stage.TOOLS)))[0]
    assert (call.state, call.attempts, call.sends, call.sent_ms) == (CallState.PENDING, 1, 0, 0)
    assert call.not_before_ms == backend.now_ms() + 4_000
    assert types(backend, key)[-1] == "tool.reopened"


async def test_a_claimant_that_gave_its_call_back_can_no_longer_settle_it(backend, client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")
    await reopen(store, at, "a")

    assert await settle(store, at, "a") == ("fenced", 0)
    assert (await claim_call(store, at, "b")).attempt == 2
    assert await settle(store, at, "a") == ("fenced", 0)
    assert not await reopen(store, at, "a")
    assert await settle(store, at, "b") == ("settled", 1)


async def test_giving_back_twice_is_the_same_as_once(backend, client, store, key):
    at = CallAddress(key, 1, 0)
    await claim_call(store, at, "a")
    assert await reopen(store, at, "a", 4_000)
    before = backend.dump()
    backend.turn(1)

    assert await reopen(store, at, "a", 4_000)
    assert backend.dump() == before


async def test_only_the_holder_of_a_claim_gives_a_call_back(backend, store, key):
    at = CallAddress(key, 1, 0)
    before = backend.dump()
    assert not await reopen(store, at, "a")
    assert not await reopen(store, at, "")
    await claim_call(store, at, "a")
    assert not await reopen(store, at, "b")
    await settle(store, at, "a")
    assert not await reopen(store, at, "a")
    assert backend.dump() != before
    assert "tool.reopened" not in types(backend, key)


@pytest.mark.parametrize("how", ["moved on", "final"])
async def test_a_call_given_back_after_its_run_moved_on_changes_nothing(backend, client, store, key, how):
    """A handler that fails long after the end must not write into the final record."""
    await claim_call(store, CallAddress(key, 1, 0), "a")
    backend.turn(5)
    await move(store, await claim_one(store, Stage.TOOLS), Stage.POLL, withdraw=True)
    if how == "final":
        await finish_from(store, Stage.POLL)
    before = backend.dump()

    assert not await reopen(store, CallAddress(key, 1, 0), "a")
    assert backend.dump() == before


async def test_news_of_a_reopened_call_reaches_the_holder_of_the_run(backend, client, store, key):
    await claim_call(store, CallAddress(key, 1, 0), "a")
    backend.turn(5)
    run = await claim_one(store, Stage.TOOLS)
    await reopen(store, CallAddress(key, 1, 0), "a")

    assert await store.rest(run, 15_000)
    assert len(await claimed(store, Stage.TOOLS)) == 1


async def test_the_rows_of_the_present_round_are_read_in_order(backend, client, store, key):
    backend.turn(5)
    run = await claim_one(store, Stage.TOOLS)
    rows = await store.calls(run)

    assert [(row.index, row.tool, row.tool_call_id, row.state) for row in rows] == [
        (0, "add", "call_0", CallState.PENDING),
        (1, "add", "call_1", CallState.PENDING),
    ]
    assert await store.calls(await _in_poll(backend, client, store)) == ()


async def _in_poll(backend, client, store):
    client.enqueue("asst", messages="hi")
    await created(store, "run_2")
    (run,) = await claimed(store, Stage.POLL)
    return run


async def test_outputs_are_read_in_order_with_the_ids_they_go_back_with(backend, client, store, key):
    await settle(store, CallAddress(key, 1, 1), "", output="second")
    await settle(store, CallAddress(key, 1, 0), "", output="")
    run = await claim_one(store, Stage.SUBMIT)
    run = replace(run, calls=await store.calls(run))

    assert await store.outputs(run) == (("call_0", ""), ("call_1", "second"))


async def test_a_call_that_was_answered_when_its_round_was_opened_counts_as_settled(backend, client, store):
    run_key = client.enqueue("asst", messages="hi").key
    await created(store)
    await opened(store, backend.now_ms(), 1, state=CallState.SETTLED, kind="missing_tool", output="no")

    record = client.get(run_key)
    assert (record.tool_calls[0].output, record.tool_calls[0].kind) == ("no", "missing_tool")
    assert backend.sync.hget(backend.keys.run(run_key), "open") == "0"
    assert (await claim_call(store, CallAddress(run_key, 1, 0), "a")).verdict == "taken"


async def test_every_write_to_the_ledger_of_a_finished_run_is_refused(backend, client, store, key):
    await claim_call(store, CallAddress(key, 1, 0), "a")
    backend.turn(5)
    await ended(store, await claim_one(store, Stage.TOOLS))
    run = await claim_one(store, Stage.FINALIZE)
    assert (await store.finish(run, last_words(run))).ok
    before = backend.dump()

    at = CallAddress(key, 1, 0)
    assert await settle(store, at, "a") == ("late", 0)
    assert (await claim_call(store, CallAddress(key, 1, 1), "b")).verdict == "gone"
    assert not await reopen(store, at, "a")
    assert await store.ledger.settle(at, "a", CallResult("1", "ok"), "{}", "op") == ["late", 0]
    assert backend.dump() == before
