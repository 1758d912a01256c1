"""Death is judged only by who has himself seen Redis long enough without a gap."""

from __future__ import annotations

import pytest

from tests.integration.carrying import claim_call
from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.status import CallState, Outcome, Stage
from worker.store.ledger import CallAddress


async def claimed_by_one_who_dies(house, tool: str) -> CallAddress:
    """Bring a run to a call that a worker claimed, and let that worker's heartbeat stop."""
    house.provider.rounds = ([tool],)
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)
    house.outbox.take("tools.execute")
    at = CallAddress(key, 1, 0)
    house.backend.sync.zadd(house.backend.keys.workers(), {"tools@a": house.backend.now_ms()})
    assert (await claim_call(house.store, at, "t", worker="tools@a")).verdict == "yes"
    return at


async def see_redis(house, seconds: int, run_id: str = "redis-1") -> None:
    """Let time pass with the engine's heartbeat and its looks at the ledger."""
    for _ in range(seconds):
        house.turn(1)
        house.observer.saw_redis(run_id)
        await house.serve(Stage.TOOLS)


def state(house, at: CallAddress) -> CallState:
    return house.record(at.run_key).tool_calls[0].state


async def test_an_idempotent_call_of_a_dead_worker_is_run_again_under_the_same_place(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "look")
    await see_redis(house, 25)

    assert state(house, at) is CallState.PENDING
    (reopened,) = [e.data for e in house.record(at.run_key).transitions if e.type == "tool.reopened"]
    assert (reopened["tool"], reopened["reason"], reopened["worker"]) == ("look", "worker_died", "tools@a")
    assert [message.args for message in house.outbox.sent] == [(at.run_key, 1, 0)]
    await house.carry()
    record = house.record(at.run_key)
    assert (record.outcome, record.tool_calls[0].attempts) == (Outcome.COMPLETED, 2)


async def test_any_other_call_of_a_dead_worker_is_reported_as_unknown_and_never_run_again(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "add")
    await see_redis(house, 25)
    await house.carry()

    record = house.record(at.run_key)
    assert (record.outcome, record.tool_calls[0].attempts) == (Outcome.COMPLETED, 1)
    assert record.tool_calls[0].kind == "unknown_outcome"
    (settled,) = [event.data for event in record.transitions if event.type == "tool.settled"]
    assert (settled["tool"], settled["kind"]) == ("add", "unknown_outcome")
    assert house.entered == []
    assert "whether it had an effect is unknown" in house.provider.submitted[0][0].output


async def test_nobody_is_dead_for_15_seconds_after_a_gap(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "look")
    house.turn(30)  # Redis was away, and with it every heartbeat
    house.observer.saw_redis("redis-1")
    await see_redis(house, 14)
    assert state(house, at) is CallState.CLAIMED

    await see_redis(house, 6)
    assert state(house, at) is CallState.PENDING


@pytest.mark.parametrize("seconds", [14])
async def test_nobody_is_dead_for_15_seconds_after_a_failover(new_house, seconds):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "look")
    for _ in range(10):
        house.turn(1)
        house.observer.saw_redis("redis-1")
    await see_redis(house, seconds, "redis-2")

    assert state(house, at) is CallState.CLAIMED


async def test_a_worker_that_beats_is_alive_however_long_its_handler_runs(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "look")
    for _ in range(8):
        house.backend.sync.zadd(house.backend.keys.workers(), {"tools@a": house.backend.now_ms()})
        await see_redis(house, 5)

    assert state(house, at) is CallState.CLAIMED


async def test_who_does_not_see_redis_himself_judges_nobody_but_the_deadline_does(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "look")
    house.turn(79)
    await house.serve(Stage.TOOLS)
    assert state(house, at) is CallState.CLAIMED

    house.turn(6)
    await house.carry()
    record = house.record(at.run_key)
    assert (record.tool_calls[0].kind, record.outcome) == ("timeout", Outcome.COMPLETED)


async def test_near_the_expiry_a_call_that_still_runs_gets_an_error_output_and_the_run_goes_on(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "add")
    for _ in range(200):
        house.backend.sync.zadd(house.backend.keys.workers(), {"tools@a": house.backend.now_ms()})
        house.backend.sync.hset(
            house.backend.keys.calls(at.run_key), "1:0:deadline_ms", house.backend.now_ms()
        )
        await see_redis(house, 3)
        if house.record(at.run_key).stage is not Stage.TOOLS:
            break
    record = house.record(at.run_key)

    assert (record.stage, record.tool_calls[0].kind) == (Stage.SUBMIT, "expired")
    spent = house.backend.now_ms() / 1000 - record.created_at.timestamp()
    assert 580 <= spent <= 590
