"""A run from enqueue to its final record, served stage by stage."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from structlog.testing import capture_logs

from tests.integration.engine.house import RULES
from tests.integration.engine.scripted_provider import ANSWER, ScriptedProvider
from threadrun.models import Page, RunStep
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, Outcome, Stage
from worker.providers.base import No, Refusal, Yes


async def test_a_run_with_a_tool_ends_in_one_whole_record(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue(on_done="shop.done")
    await house.carry()
    record = house.record(key)

    assert (record.outcome, record.stage, record.missing) == (Outcome.COMPLETED, Stage.DONE, ())
    assert (record.thread_id, record.run_id, record.output_text) == ("thread_1", "run_1", "done")
    assert [(c.tool, c.state, c.output, c.attempts) for c in record.tool_calls] == [
        ("add", CallState.SUBMITTED, "out1.0", 1)
    ]
    assert (record.usage.total_tokens, record.usage_source) == (12, "run")
    assert [output.output for output in house.provider.submitted[0]] == ["out1.0"]


async def test_every_transition_is_stored_once_and_in_order(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue()
    await house.carry()

    assert house.events(key) == [
        "run.enqueued", "thread.created", "run.create_sent", "run.created", "run.status_changed",
        "run.status_changed", "run.status_changed", "run.requires_action", "tool.claimed", "tool.settled",
        "run.outputs_ready", "tool_outputs.sent", "tool_outputs.submitted", "run.status_changed",
        "run.status_changed", "run.status_changed", "run.ended", "run.finished",
    ]  # fmt: skip
    assert [event.seq for event in house.record(key).transitions] == list(range(1, 19))


async def test_every_stored_event_of_the_engine_is_logged_once_under_its_number(new_house):
    house = new_house(ScriptedProvider(["add"], ["look"]))
    key = house.enqueue()
    with capture_logs() as logs:
        await house.carry()

    logged = [(line["seq"], line["event"]) for line in logs if "seq" in line and line["run_key"] == key]
    elsewhere = {"run.enqueued", "tool.claimed", "tool.settled", "run.outputs_ready"}
    stored = [(e.seq, e.type) for e in house.record(key).transitions if e.type not in elsewhere]
    assert logged == stored


async def test_every_request_and_poll_is_counted(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue()
    await house.carry()
    record = house.record(key)

    assert (record.requests, record.polls) == (
        len(house.provider.requests),
        house.provider.requests.count("get_run"),
    )


async def test_two_rounds_are_two_rounds(new_house):
    house = new_house(ScriptedProvider(["add", "look"], ["add"]))
    key = house.enqueue()
    await house.carry()

    assert [(c.round, c.index, c.output) for c in house.record(key).tool_calls] == [
        (1, 0, "out1.0"),
        (1, 1, "out1.1"),
        (2, 0, "out2.0"),
    ]
    assert [[o.tool_call_id for o in outputs] for outputs in house.provider.submitted] == [
        ["call_0_0", "call_0_1"],
        ["call_1_0"],
    ]


async def test_a_call_that_nobody_serves_is_answered_without_a_worker(new_house):
    house = new_house(ScriptedProvider(["fly"]))
    key = house.enqueue()
    await house.carry()

    assert [(c.kind, c.state) for c in house.record(key).tool_calls] == [
        ("missing_tool", CallState.SUBMITTED)
    ]
    assert house.entered == []


async def test_an_unchanged_poll_writes_neither_version_nor_event(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    key = house.enqueue()
    await house.carry(until=Stage.POLL)
    for _ in range(2):
        house.turn(house.due()[Stage.POLL])
        await house.serve(Stage.POLL)
    before = dict(house.stored(key))
    for _ in range(3):
        house.turn(house.due()[Stage.POLL])
        await house.serve(Stage.POLL)
    after = dict(house.stored(key))

    moving = ("claim", "polls", "requests", "lease_ms")
    assert {k: v for k, v in after.items() if k not in moving} == {
        k: v for k, v in before.items() if k not in moving
    }
    assert int(after["polls"]) == int(before["polls"]) + 3


async def test_two_runs_of_one_thread_follow_each_other(new_house):
    house = new_house()
    first = house.enqueue(thread_id="thread_x")
    second = house.enqueue(thread_id="thread_x")
    assert house.record(second).stage is Stage.WAITING

    await house.carry()

    assert [house.record(key).outcome for key in (first, second)] == [Outcome.COMPLETED] * 2
    ends = [event for event in house.record(first).transitions if event.type == "run.ended"]
    begins = [event for event in house.record(second).transitions if event.type == "run.admitted"]
    assert ends[0].at <= begins[0].at
    assert house.backend.left().keys().isdisjoint({"thread:default:thread_x:active"})


async def test_a_rejected_run_frees_its_thread_and_says_why(new_house):
    house = new_house()
    first, second = (house.enqueue(thread_id="thread_x") for _ in range(2))
    house.provider.answers["create_run"] = [No(Refusal.INVALID, ProviderAnswer(422, "Unprocessable"))]
    await house.carry()

    assert house.record(first).outcome is Outcome.REJECTED
    assert house.record(first).last_answer.http_status == 422
    assert house.record(second).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("end", ["failed", "incomplete", "expired", "cancelled"])
async def test_every_end_of_the_provider_is_the_outcome(new_house, end):
    house = new_house(ScriptedProvider(end=end))
    key = house.enqueue()
    await house.carry()

    assert house.record(key).outcome is Outcome(end)


async def test_the_record_keeps_the_first_terminal_status_when_the_server_takes_it_back(new_house):
    house = new_house(ScriptedProvider(end="cancelled"))
    house.provider.usage = None
    key = house.enqueue()
    await house.carry(until=Stage.FINALIZE)
    house.provider.runs["run_1"]["status"] = "completed"
    house.provider.usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    await house.carry()
    record = house.record(key)

    assert (record.outcome, record.status, record.run.status) == (Outcome.CANCELLED, "cancelled", "cancelled")
    assert record.usage.total_tokens == 2


async def test_a_round_of_very_many_calls_is_opened_as_a_whole(new_house):
    many = 500
    house = new_house(
        ScriptedProvider(["add"] * many), rules=replace(RULES, max_calls=1024, max_same_calls=1024)
    )
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)

    assert len(house.record(key).tool_calls) == many
    assert len(house.outbox.sent) == many


async def test_a_run_that_asks_for_the_same_call_round_after_round_is_brought_to_an_end(new_house):
    rounds = [["add"]] * 8
    house = new_house(ScriptedProvider(*rounds), rules=replace(RULES, max_same_calls=3))
    key = house.enqueue()
    await house.carry()
    record = house.record(key)

    assert (record.outcome, len(record.tool_calls), house.provider.cancels) == (Outcome.FAILED, 3, 1)
    reasons = [event.data["reason"] for event in record.transitions if event.type == "run.cancelling"]
    assert reasons == ["same_call_repeated"]


async def test_a_slow_list_without_end_holds_the_record_up_no_longer_than_its_deadline(new_house):
    house = new_house()
    key, number = house.enqueue(), count()

    async def slow_page(thread_id, run_id, *, after=None, include=()):
        house.turn(14)
        return Yes(
            Page[RunStep](data=(RunStep.from_wire({"id": f"s{next(number)}"}),), has_more=True), ANSWER
        )

    house.provider.list_steps = slow_page
    await house.carry()

    record = house.record(key)
    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ("steps",))
    assert next(number) <= 11  # pages, within 120 s and one more look
