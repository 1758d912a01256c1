"""What nobody has seen yet: a run goes on to its end, and its record keeps what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.engine.canned import EMPTY, RUN, Canned, answered_by
from threadrun.records import RunRecord
from threadrun.status import Outcome

ENDED = {**RUN, "status": "completed", "usage": {"total_tokens": 1}}
STEP = {"id": "step_1", "object": "thread.run.step", "run_id": "run_1", "status": "completed"}


async def carried(new_house: Any, canned: Canned) -> RunRecord:
    async with answered_by(canned.answer) as provider:
        house = new_house(provider)
        key = house.enqueue()
        await house.carry()
    record: RunRecord = house.record(key)
    return record


async def test_a_status_is_watched_on_and_told_once(new_house) -> None:
    strange = {**RUN, "status": "hibernating"}
    record = await carried(new_house, Canned(get_run=[strange, strange, strange, ENDED]))

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    told = [event.data["status"] for event in record.transitions if event.type == "run.status_unknown"]
    assert told == ["hibernating"]


@pytest.mark.parametrize(
    "details",
    [
        {"type": "dreams", "dreams": [{"of": "sheep", "score": 1.0}]},
        {
            "type": "tool_calls",
            "tool_calls": [{"id": "c", "type": "time_travel", "time_travel": {"to": 1955}}],
        },
        {"type": "tool_calls", "tool_calls": [{"id": "", "type": None, "x": 1}, "no object"]},
        {"tool_calls": {}},
        [],
    ],
    ids=["step kind", "tool kind", "no kind", "no type", "no object"],
)
async def test_a_step_of_any_kind_is_in_the_record_as_it_was_sent(new_house, details) -> None:
    step = {**STEP, "type": "dreams", "step_details": details}
    record = await carried(new_house, Canned(steps=[{**EMPTY, "data": [step]}]))

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    assert [json.dumps(one.to_wire()) for one in record.steps] == [json.dumps(step)]


async def test_a_required_call_of_any_kind_is_answered_and_recorded(new_house) -> None:
    calls = [{"id": "call_1", "type": "time_travel", "time_travel": {"to": 1955}}]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    asking = {**RUN, "status": "requires_action", "required_action": action}
    canned = Canned(get_run=[asking, ENDED], submit_tool_outputs=[{**RUN, "status": "queued"}])
    record = await carried(new_house, canned)

    assert record.outcome is Outcome.COMPLETED
    ((_, sent),) = canned.sent["submit_tool_outputs"]
    assert [output["tool_call_id"] for output in json.loads(sent)["tool_outputs"]] == ["call_1"]
    assert [(call.type, call.kind) for call in record.tool_calls] == [("time_travel", "missing_tool")]


async def test_a_required_action_of_another_type_is_waited_for(new_house) -> None:
    action = {"type": "submit_passport", "submit_passport": {"of": "me"}}
    asking = {**RUN, "status": "requires_action", "required_action": action}
    record = await carried(new_house, Canned(get_run=[asking, asking, ENDED]))

    assert (record.outcome, record.tool_calls) == (Outcome.COMPLETED, ())


@pytest.mark.parametrize("tokens", [2**63, 10**30, -(2**63)])
async def test_tokens_beyond_all_bounds_are_kept_and_not_counted(new_house, tokens) -> None:
    ended = {**ENDED, "usage": {"prompt_tokens": tokens, "total_tokens": 7}}
    async with answered_by(Canned(get_run=[ended]).answer) as provider:
        house = new_house(provider)
        key = house.enqueue()
        await house.carry()

    usage = house.record(key).usage
    assert usage is not None
    assert usage.prompt_tokens == tokens
    (day,) = house.backend.sync.keys("*:usage:*")
    assert house.backend.sync.hgetall(day) == {"runs|-|asst": "1", "total_tokens|-|asst": "7"}
    assert house.backend.sync.pttl(house.backend.keys.run(key)) > 0


async def test_numbers_of_any_form_and_size_are_in_the_record_as_they_were_sent(new_house) -> None:
    usage = '{"prompt_tokens": 1000000000000000000000000, "completion_tokens": 1e400, "total_tokens": 2.50}'
    ended = f'{{"id": "run_1", "status": "completed", "created_at": 1e400, "expires_at": 1e400, "usage": {usage}}}'
    step = (
        '{"id": "step_1", "score": 1.50, "score": -0.0, "far": 1e400, "cut": "\\ud83d", "step_details": {}}'
    )
    canned = Canned(get_run=[ended], steps=[f'{{"data": [{step}], "has_more": false}}'])
    record = await carried(new_house, canned)

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    assert record.run is not None
    assert record.run.to_wire_json() == ended
    assert [one.to_wire_json() for one in record.steps] == [step]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "No.", "type": "invalid_request_error"}}, "No."),
        ({"detail": [{"loc": ["body", "tools"], "msg": "bad", "type": "missing"}]}, "body.tools: bad"),
        ({"code": "http_error", "message": "Gone"}, "Gone"),
        ({"fault": {"faultstring": "odd"}}, None),
        ("<html><title>400 Bad Request</title></html>", "400 Bad Request"),
        ('["only", "words"]', "only"),
        ("", None),
    ],
    ids=["OpenAI", "FastAPI", "self-hosted", "unknown object", "HTML", "list", "empty"],
)
async def test_a_refusal_of_any_form_ends_the_run_and_its_text_is_kept(new_house, body, message) -> None:
    record = await carried(new_house, Canned(create_run=[(400, body)]))

    assert record.outcome is Outcome.REJECTED
    assert record.last_answer is not None
    assert (record.last_answer.http_status, record.last_answer.error_message) == (400, message)


@pytest.mark.parametrize(
    ("form", "found", "missing"),
    [
        ({"data": [STEP]}, ["step_1"], ()),
        ({"data": [STEP], "has_more": None, "first_id": None, "last_id": None}, ["step_1"], ()),
        ({"data": [STEP], "has_more": True}, ["step_1"], ()),
        ({"data": None}, [], ()),
        ([STEP], [], ("steps",)),
        ({"data": {"step_1": STEP}}, [], ("steps",)),
        ({"steps": [STEP]}, [], ("steps",)),
    ],
    ids=["bare", "nulls", "the same for ever", "no data", "a list", "an object", "another name"],
)
async def test_a_page_of_any_form_is_read_once_or_said_to_be_missing(new_house, form, found, missing) -> None:
    record = await carried(new_house, Canned(steps=[form]))

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, missing)
    assert [step.id for step in record.steps] == found
