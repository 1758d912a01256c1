"""A cancel wish and the deadline, in every stage."""

from __future__ import annotations

import pytest

from tests.integration.carrying import claim_call, settle
from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, Outcome, RunStatus, Stage
from worker.providers.base import No, Refusal
from worker.store.ledger import CallAddress

STAGES = (Stage.CREATE, Stage.POLL, Stage.TOOLS, Stage.SUBMIT)


async def brought_to(house, stage: Stage) -> str:
    key = house.enqueue()
    await house.carry(until=stage)
    return key


@pytest.mark.parametrize("stage", STAGES)
async def test_a_wish_ends_the_run_as_cancelled_in_every_stage(new_house, stage):
    house = new_house(ScriptedProvider(["add"]))
    key = await brought_to(house, stage)
    house.client.cancel(key)
    assert house.due()[stage] <= 0
    await house.carry()

    record = house.record(key)
    assert (record.outcome, record.unconfirmed) == (Outcome.CANCELLED, False)
    assert house.provider.cancels == (0 if stage is Stage.CREATE else 1)
    assert len(house.provider.runs) == (0 if stage is Stage.CREATE else 1)


@pytest.mark.parametrize("stage", STAGES)
async def test_the_deadline_ends_the_run_as_timed_out_in_every_stage(new_house, stage):
    house = new_house(ScriptedProvider(["add"]))
    key = await brought_to(house, stage)
    house.turn(600)
    await house.carry()

    assert house.record(key).outcome is Outcome.TIMED_OUT
    assert house.provider.cancels == (0 if stage is Stage.CREATE else 1)


async def test_a_waiting_run_ends_at_once_and_leaves_the_queue(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    first, second, third = (house.enqueue(thread_id="thread_x") for _ in range(3))
    house.client.cancel(second)
    await house.serve(Stage.WAITING)
    await house.serve(Stage.FINALIZE)
    assert house.record(second).outcome is Outcome.CANCELLED

    house.provider.end = "completed"
    await house.carry()
    assert [house.record(key).outcome for key in (first, third)] == [Outcome.COMPLETED] * 2


async def test_a_wish_during_the_create_request_cancels_the_run_that_came_of_it(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")

    async def wish(operation: str, when: str) -> None:
        if (operation, when) == ("create_run", "before"):
            house.client.cancel(key)

    house.provider.hook = wish
    await house.serve(Stage.CREATE)
    record = house.record(key)
    assert (record.run_id, record.stage) == ("run_1", Stage.POLL)
    assert house.due()[Stage.POLL] <= 0

    await house.carry()
    assert (house.record(key).outcome, house.provider.cancels) == (Outcome.CANCELLED, 1)


async def test_a_wish_during_a_poll_is_not_slept_over(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    key = await brought_to(house, Stage.POLL)

    async def wish(operation: str, when: str) -> None:
        if operation == "get_run":
            house.client.cancel(key)

    house.provider.hook = wish
    house.turn(house.due()[Stage.POLL])
    await house.serve(Stage.POLL)

    assert house.due()[Stage.POLL] <= 0


async def test_a_call_that_was_not_begun_is_withdrawn_and_never_begins(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = await brought_to(house, Stage.TOOLS)
    house.client.cancel(key)
    await house.serve(Stage.TOOLS)
    await house.run_handlers()
    await house.carry()

    assert house.entered == []
    assert [call.state for call in house.record(key).tool_calls] == [CallState.WITHDRAWN]


async def test_a_handler_that_ends_after_the_cancel_changes_nothing(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = await brought_to(house, Stage.TOOLS)
    at = CallAddress(key, 1, 0)
    assert (await claim_call(house.store, at, "t")).verdict == "yes"
    house.client.cancel(key)
    await house.serve(Stage.TOOLS)

    assert (await settle(house.store, at, "t"))[0] == "late"
    await house.carry()
    assert house.record(key).outcome is Outcome.CANCELLED
    assert (await settle(house.store, at, "t"))[0] == "late"
    assert house.events(key)[-1] == "run.finished"


async def test_a_run_that_completes_all_the_same_is_completed(new_house):
    house = new_house()
    key = await brought_to(house, Stage.POLL)
    house.client.cancel(key)
    house.provider.runs["run_1"]["status"] = "completed"
    await house.carry()

    record = house.record(key)
    assert (record.outcome, record.status) == (Outcome.COMPLETED, RunStatus.COMPLETED)
    assert record.cancel_requested_at is not None


async def test_where_cancelling_is_refused_the_calls_are_answered_as_cancelled_first(new_house):
    house = new_house(ScriptedProvider(["add", "look"]))
    key = await brought_to(house, Stage.TOOLS)
    at = CallAddress(key, 1, 0)
    await claim_call(house.store, at, "t")
    await settle(house.store, at, "t", output="three")
    house.provider.answers["cancel_run"] = [No(Refusal.WRONG_STATUS, ProviderAnswer(400, "Bad Request"))]
    house.client.cancel(key)
    await house.carry()

    (outputs,) = house.provider.submitted
    assert outputs[0].output == "three"
    assert '"kind": "cancelled"' in outputs[1].output
    assert house.record(key).outcome is Outcome.CANCELLED
    assert "tool_outputs.cancelled" in house.events(key)


async def test_a_cancel_that_never_takes_effect_is_recorded_as_unconfirmed(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    house.provider.cancelling_reads = 10**6
    key = await brought_to(house, Stage.POLL)
    house.client.cancel(key)
    await house.carry(most=400)

    record = house.record(key)
    assert (record.outcome, record.unconfirmed) == (Outcome.CANCELLED, True)
    seconds = (record.finished_at - record.cancel_requested_at).total_seconds()
    assert 120 <= seconds <= 125


async def test_an_interrupting_run_starts_when_the_one_before_it_has_ended_at_the_provider(new_house):
    house = new_house()
    first = house.enqueue(thread_id="thread_x")
    await house.carry(until=Stage.POLL)
    second = house.enqueue(thread_id="thread_x", thread_strategy="interrupt")
    assert len(house.provider.runs) == 1
    await house.carry()

    assert house.record(first).outcome is Outcome.CANCELLED
    assert house.record(second).outcome is Outcome.COMPLETED
    assert (len(house.provider.runs), house.provider.cancels) == (2, 1)
