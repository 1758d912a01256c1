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
