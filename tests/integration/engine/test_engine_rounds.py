"""A round of calls stays one round, whatever the provider shows of it meanwhile."""

from __future__ import annotations

from tests.integration.carrying import claim_call, settle
from tests.integration.engine.scripted_provider import ANSWER, ScriptedProvider
from threadrun.models import Run
from threadrun.status import CallState, Outcome, Stage
from worker.providers.base import Yes
from worker.store.ledger import CallAddress


async def test_a_run_that_seemed_to_move_on_and_asks_again_enters_no_handler_twice(new_house):
    house = new_house(ScriptedProvider(["add", "look"]))
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)
    first = CallAddress(key, 1, 0)
    assert (await claim_call(house.store, first, "t", limit_ms=120_000)).verdict == "yes"
    house.outbox.sent = []  # the message of the other call is lost
    at_work = Run.from_wire({"id": "run_1", "status": "in_progress"})
    house.provider.answers["get_run"] = [Yes(at_work, ANSWER)] * 2
    while house.record(key).stage is Stage.TOOLS:
        house.turn(1)
        await house.serve_due()
    states = [call.state for call in house.record(key).tool_calls]
    assert states == [CallState.CLAIMED, CallState.WITHDRAWN]

    await house.carry(until=Stage.TOOLS)
    assert (await settle(house.store, first, "t", output="3"))[0] == "settled"
    await house.carry()

    record = house.record(key)
    assert (record.outcome, [call.round for call in record.tool_calls]) == (Outcome.COMPLETED, [1, 1])
    assert [call.attempts for call in record.tool_calls] == [1, 1]
    assert [output.output for output in house.provider.submitted[0]] == ["3", "out1.1"]


async def wrong_worker_takes(house) -> int:
    """Have what was sent taken by a worker without the handler; gives how many messages that were."""
    messages = house.outbox.take("tools.execute")
    for message in messages:
        await house.store.ledger.pass_on(CallAddress(*message.args))
    return len(messages)


async def test_a_call_that_a_worker_without_its_handler_took_comes_to_another_within_a_second(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)
    assert await wrong_worker_takes(house) == 1
    await house.carry()

    record = house.record(key)
    assert (record.outcome, record.tool_calls[0].attempts) == (Outcome.COMPLETED, 1)
    (claimed,) = [event.at for event in record.transitions if event.type == "tool.claimed"]
    (asked,) = [event.at for event in record.transitions if event.type == "run.requires_action"]
    assert (claimed - asked).total_seconds() < 1


async def test_a_call_whose_handler_no_worker_has_is_sent_ever_more_rarely(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue(deadline_seconds=300)
    await house.carry(until=Stage.TOOLS)
    sent = 0
    while house.record(key).stage is Stage.TOOLS:
        sent += await wrong_worker_takes(house)
        if not await house.serve_due():
            house.turn(max(0.001, min(house.due().values())))

    assert 20 <= sent <= 32
    assert len(house.events(key)) < 20
