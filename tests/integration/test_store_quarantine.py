"""Calls whose outcome is unknown, and what a person decides about them: fenced, repeat-safe, listed while it waits."""

from __future__ import annotations

import json

import pytest

from tests.integration.carrying import (
    claim_call,
    claim_one,
    created,
    decided_life,
    ended,
    finish_from,
    move,
    opened,
    park,
    reopen,
    set_aside,
    settle,
)
from threadrun.errors import InvalidRequest, NotInQuarantine, RunNotFound
from threadrun.status import CallState, OnUnknown, Stage
from worker.store.ledger import CallAddress, CallResult
from worker.view import CallView


@pytest.fixture
async def at(backend, client, store):
    """The first of two calls of a run in stage tools."""
    run_key = client.enqueue("asst", messages="add 3 and 4", idempotency_key="order-7").key
    await created(store)
    await opened(store, backend.now_ms(), 2)
    return CallAddress(run_key, 1, 0)


def row(client, at):
    return client.get(at.run_key).tool_calls[at.index]


def types(client, at):
    return [event.type for event in client.get(at.run_key).transitions]


def places(client):
    return [(one.place, one.state) for one in client.quarantined()]


async def test_a_parked_call_has_no_output_is_listed_and_has_its_run_looked_at(backend, client, store, at):
    await park(store, at)

    call, (listed,) = row(client, at), client.quarantined()
    assert (call.state, call.kind, call.output, call.attempts) == (
        CallState.UNKNOWN, "unknown_outcome", None, 1,
    )  # fmt: skip
    assert (listed.place, listed.state, listed.tool, listed.stage) == (
        "order-7/1/0",
        "parked",
        "add",
        "tools",
    )
    assert listed.until.timestamp() * 1000 == backend.now_ms() + 600_000
    assert backend.dump("agenda:tools") == {"agenda:tools:default": [("order-7", backend.now_ms())]}


async def test_only_the_claim_that_was_seen_is_set_aside_and_a_repeat_changes_nothing(
    backend, client, store, at
):
    await claim_call(store, at, "mine")

    assert not await set_aside(store, at, "another")
    assert await set_aside(store, at, "mine")
    before = backend.dump()
    assert await set_aside(store, at, "mine")
    assert backend.dump() == before


async def test_a_call_that_was_settled_meanwhile_is_not_set_aside(client, store, at):
    await claim_call(store, at, "t")
    await settle(store, at, "t")

    assert not await set_aside(store, at, "t")
    assert (row(client, at).state, places(client)) == (CallState.SETTLED, [])


async def test_a_call_by_which_its_run_is_to_fail_waits_for_nobody(client, store, at):
    await claim_call(store, at, "t")
    assert await set_aside(store, at, "t", OnUnknown.FAIL)

    assert (row(client, at).state, places(client)) == (CallState.UNKNOWN, [])


async def test_a_handler_that_reports_after_all_settles_its_parked_call(client, store, at):
    await park(store, at, "t")

    assert await settle(store, at, "other") == ("fenced", 0)
    assert await settle(store, at, "t") == ("settled", 1)
    assert (row(client, at).kind, row(client, at).output, places(client)) == ("ok", "7", [])


async def test_a_handler_that_reports_a_failure_after_all_may_have_its_call_run_again(client, store, at):
    await park(store, at, "t")

    assert await reopen(store, at, "t")
    assert (row(client, at).state, places(client)) == (CallState.PENDING, [])


async def test_a_parked_call_is_claimed_by_nobody(store, at):
    await park(store, at)

    assert (await claim_call(store, at, "x")).verdict == "taken"


async def test_a_person_gives_the_output_and_the_run_goes_on_with_it(twin, backend, client, store, at):
    await park(store, at)
    await claim_call(store, CallAddress(at.run_key, 1, 1), "u")
    await settle(store, CallAddress(at.run_key, 1, 1), "u")

    await twin.resolve("order-7/1/0", "it did happen")
    call, record = row(client, at), client.get("order-7")
    assert (call.state, call.kind, call.output) == (CallState.SETTLED, "resolved", "it did happen")
    assert (places(client), record.stage) == ([], Stage.TOOLS)
    assert record.transitions[-1].data == {"round": 1, "index": 0, "kind": "resolved"}
    run = await claim_one(store, Stage.TOOLS)
    assert (run.open, [c.state for c in await store.calls(run)]) == (0, [CallState.SETTLED] * 2)


async def test_the_last_handler_to_settle_after_a_resolved_call_moves_the_run_on(client, store, at):
    other = CallAddress(at.run_key, 1, 1)
    await park(store, at)
    await claim_call(store, other, "u")
    client.resolve("order-7/1/0", "x")

    assert await settle(store, other, "u") == ("settled", 0)
    assert client.get("order-7").stage is Stage.SUBMIT


async def test_a_released_call_is_run_again_at_once_and_its_deaths_are_forgotten(
    twin, backend, client, store, at
):
    await park(store, at, strikes=3, deaths=4, quarantined=True)
    assert (row(client, at).quarantined, places(client)) == (True, [("order-7/1/0", "quarantined")])

    await twin.release("order-7/1/0")
    call = row(client, at)
    assert (call.state, call.deaths, call.quarantined, places(client)) == (CallState.PENDING, 0, False, [])
    assert types(client, at)[-1] == "tool.released"
    view = (await store.calls(await claim_one(store, Stage.TOOLS)))[0]
    assert (view.sends, view.not_before_ms, view.strikes, view.deaths) == (0, 0, 0, 0)
    assert (await claim_call(store, at, "next")).attempt == 2
    assert await settle(store, at, "t") == ("fenced", 0)


@pytest.mark.parametrize("decide", [lambda c, p: c.resolve(p, "x"), lambda c, p: c.release(p)])
async def test_what_waits_for_nobody_is_not_decided_about(backend, client, store, at, decide):
    await claim_call(store, at, "t")
    before = backend.dump()

    for place, found in (("order-7/1/0", "claimed"), ("order-7/1/1", "pending"), ("order-7/2/0", "missing")):
        with pytest.raises(NotInQuarantine) as refused:
            decide(client, place)
        assert (refused.value.place, refused.value.found) == (place, found)
    assert backend.dump() == before


@pytest.mark.parametrize("decide", [lambda c, p: c.resolve(p, "x"), lambda c, p: c.release(p)])
async def test_a_run_that_moved_on_takes_no_decision_about_its_call(backend, client, store, at, decide):
    await park(store, at)
    assert (await move(store, await claim_one(store, Stage.TOOLS), Stage.CANCEL)).ok
    before = backend.dump()

    with pytest.raises(NotInQuarantine, match="moved on"):
        decide(client, "order-7/1/0")
    assert backend.dump() == before


@pytest.mark.parametrize(
    "place",
    [
        "", "a b", "order-7/1", "order-7/x/0", "order-7/1/0/2", "order-7/-1/0", "order-7/1/-1",
        "order-7/0/0", "order-7/0/7", "order-7/00/1", None,
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused(client, place):
    for act in (client.release, lambda place: client.resolve(place, "output")):
        with pytest.raises(InvalidRequest) as caught:
            act(place)
        if place and "/" in place:
            assert "run key/round/index" in str(caught.value)


async def test_a_call_of_a_round_that_never_is_releases_no_run(backend, client, store):
    client.enqueue("asst", messages="hi", idempotency_key="order-7")
    backend.sync.hset(store.keys.run("order-7"), "quarantined_ms", "5")
    backend.sync.zadd(store.keys.quarantine(), {"order-7": 5})
    before = backend.dump()
    with pytest.raises(InvalidRequest):
        client.release("order-7/0/7")
    assert backend.dump() == before


def test_an_output_that_cannot_be_sent_is_refused_and_a_run_has_none(client):
    for place, output in (("k/1/0", "x" * 524_289), ("k/1/0", "\ud800"), ("k/1/0", b"x"), ("k", "x")):
        with pytest.raises(InvalidRequest):
            client.resolve(place, output)
    with pytest.raises(RunNotFound):
        client.release("nobody")


async def test_a_call_that_killed_too_often_and_whose_model_was_told_is_listed_until_its_run_ends(
    backend, client, store, at
):
    await claim_call(store, at, "t")
    after = CallView(0, CallState.CLAIMED, "add", strikes=3, deaths=3, quarantined=True)
    event = json.dumps({"type": "tool.settled", "round": 1, "index": 0})
    result = CallResult("unknown", "unknown_outcome")
    await store.ledger.settle(at, "t", result, event, "op", after=after)

    assert places(client) == [("order-7/1/0", "told")]
    assert types(client, at)[-2:] == ["tool.quarantined", "tool.settled"]
    backend.turn(5)
    await finish_from(store, Stage.TOOLS)
    assert places(client) == []


async def test_a_damaged_record_hides_nothing_else_that_waits(backend, client, store, at):
    await park(store, at)
    await park(store, CallAddress(at.run_key, 1, 1), "u")
    backend.sync.hset(backend.keys.calls(at.run_key), "1:0:deaths", "many")

    assert places(client) == [("order-7/1/0", "unreadable"), ("order-7/1/1", "parked")]


async def test_everything_that_a_run_has_on_the_list_leaves_with_it(backend, client, store, at):
    await park(store, at)
    await park(store, CallAddress(at.run_key, 1, 1), "u")
    assert len(places(client)) == client.stats().quarantined == 2

    assert (await ended(store, await claim_one(store, Stage.TOOLS))).ok
    await finish_from(store, Stage.FINALIZE)
    assert not backend.sync.exists(backend.keys.quarantine())


async def test_what_a_person_decided_leaves_nothing_on_the_list(backend, client, store):
    await decided_life(backend, client, store)

    assert (client.quarantined(), client.stats().quarantined) == ((), 0)


# What a tools worker has in its hands.


async def test_a_worker_has_in_hand_what_it_claimed_and_did_not_settle_or_give_back(store, at):
    other = CallAddress(at.run_key, 1, 1)
    await claim_call(store, at, "t")
    await claim_call(store, other, "u")
    assert await store.calls_in_hand(["tools@a", "tools@b"]) == {"tools@a": 2, "tools@b": 0}

    event = json.dumps({"type": "tool.settled"})
    await store.ledger.settle(at, "t", CallResult("7", "ok"), event, "op", worker_id="tools@a")
    assert await store.calls_in_hand(["tools@a"]) == {"tools@a": 1}
    await store.ledger.reopen(other, "u", 0, event, worker_id="tools@a")
    assert await store.calls_in_hand(["tools@a"]) == {"tools@a": 0}


async def test_what_the_engine_does_about_a_dead_workers_calls_leaves_its_hands_as_they_were(store, at):
    other = CallAddress(at.run_key, 1, 1)
    await claim_call(store, at, "t")
    await claim_call(store, other, "u")
    await reopen(store, at, "t")

    # Else the last of the calls that died together would look as if it had died alone.
    assert await store.calls_in_hand(["tools@a"]) == {"tools@a": 2}


async def test_a_handler_whose_run_moved_on_has_empty_hands_all_the_same(backend, store, at):
    await claim_call(store, at, "t")
    backend.turn(5)
    assert (await move(store, await claim_one(store, Stage.TOOLS), Stage.CANCEL)).ok
    event = json.dumps({"type": "tool.settled"})
    await store.ledger.settle(at, "t", CallResult("7", "ok"), event, "op", worker_id="tools@a")

    assert await store.calls_in_hand(["tools@a"]) == {"tools@a": 0}


async def test_what_was_purged_while_it_ran_does_not_stay_in_hand_for_ever(backend, client, store, at):
    await claim_call(store, at, "t", limit_ms=60_000)
    backend.turn(80)
    await claim_call(store, CallAddress(at.run_key, 1, 1), "u")

    assert await store.calls_in_hand(["tools@a"]) == {"tools@a": 1}


async def test_a_purge_takes_a_run_out_of_the_hands_of_the_dead(backend, client, store, at):
    await claim_call(store, at, "t")
    backend.turn(5)
    await finish_from(store, Stage.TOOLS)

    assert client.purge("order-7").clean
    assert not backend.sync.exists(backend.keys.hands("tools@a"))
