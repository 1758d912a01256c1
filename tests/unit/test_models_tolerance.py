"""What servers send instead of what they should send is still read."""

from __future__ import annotations

from typing import Any

import pytest

from threadrun.models import (
    FunctionToolCall,
    FunctionToolDefinition,
    Page,
    ResponseFormat,
    Run,
    RunStep,
    StepDetails,
    StepToolCall,
    ToolChoice,
    ToolDefinition,
    WireInvalid,
)
from threadrun.status import RunStatus

RUN: dict[str, Any] = {"id": "run_1", "status": "in_progress"}
OPTIONAL_RUN_FIELDS = sorted(set(Run.model_fields) - {"id", "status"})
OPTIONAL_STEP_FIELDS = sorted(set(RunStep.model_fields) - {"id"})


def run_with(**fields: Any) -> Run:
    return Run.from_wire({**RUN, **fields})


@pytest.mark.parametrize("field", OPTIONAL_RUN_FIELDS)
@pytest.mark.parametrize("wrong", [None, 7, "text", True, [], [1, "x"], {}, {"a": [1]}], ids=repr)
def test_no_optional_field_can_make_a_run_unreadable(field: str, wrong: Any) -> None:
    run = run_with(**{field: wrong})
    assert (run.id, run.status) == ("run_1", "in_progress")
    assert run.to_wire()[field] == wrong


@pytest.mark.parametrize("field", OPTIONAL_STEP_FIELDS)
@pytest.mark.parametrize("wrong", [None, 7, "text", True, [], [1, "x"], {}, {"a": [1]}], ids=repr)
def test_no_optional_field_can_make_a_step_unreadable(field: str, wrong: Any) -> None:
    step = RunStep.from_wire({"id": "step_1", field: wrong})
    assert step.id == "step_1"
    assert step.to_wire()[field] == wrong


@pytest.mark.parametrize("field", OPTIONAL_RUN_FIELDS)
def test_null_reads_as_absence(field: str) -> None:
    absent = Run.from_wire(RUN)
    constants = ("object",)
    if field not in constants:
        assert getattr(run_with(**{field: None}), field) == getattr(absent, field)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("expires_at", "soon"),
        ("expires_at", True),
        ("expires_at", "1795175614"),
        ("usage", "none"),
        ("usage", {}),
        ("usage", {"cost": 1}),
        ("required_action", []),
        ("last_error", "it failed"),
        ("model", 4),
        ("tool_choice", 1),
        ("incomplete_details", "max_prompt_tokens"),
    ],
)
def test_a_wrong_type_reads_as_none(field: str, wrong: Any) -> None:
    assert getattr(run_with(**{field: wrong}), field) is None


def test_timestamps_keep_the_form_they_were_sent_in() -> None:
    run = run_with(created_at=1795175614.0, expires_at=1795176214)
    assert (type(run.created_at), type(run.expires_at)) == (float, int)


@pytest.mark.parametrize("run_id", ["run_abc", "6b003627a2a03942c1375fa9", "0", "a/b c"])
def test_an_id_has_any_form(run_id: str) -> None:
    assert Run.from_wire({"id": run_id, "status": "queued"}).id == run_id


@pytest.mark.parametrize("status", list(RunStatus))
def test_the_nine_statuses_are_known(status: RunStatus) -> None:
    run = run_with(status=status.value)
    assert run.known_status is status
    assert run.terminal is status.terminal


def test_an_unknown_status_is_kept_and_is_not_terminal() -> None:
    run = run_with(status="paused")
    assert (run.status, run.known_status, run.terminal) == ("paused", None, False)


@pytest.mark.parametrize("action", [{}, None, [], "x"], ids=repr)
def test_an_empty_required_action_asks_for_nothing(action: Any) -> None:
    run = run_with(required_action=action)
    assert run.required_action is None
    assert run.required_calls == ()


def test_required_calls_keep_empty_and_repeated_ids_in_order() -> None:
    calls = [
        {"id": "", "type": "function", "function": {"name": "a", "arguments": "{}"}},
        {"id": "x", "type": "function", "function": {"name": "b", "arguments": "not json"}},
        {"id": "x", "type": "function", "function": {"name": "c", "arguments": ""}},
        {"id": None, "function": {"name": "d", "arguments": {"k": 1}}},
        {"type": "function", "function": None},
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    read = run_with(required_action=action).required_calls
    assert [(call.id, call.name, call.arguments) for call in read] == [
        ("", "a", "{}"),
        ("x", "b", "not json"),
        ("x", "c", ""),
        ("", "d", '{"k": 1}'),
        ("", "", ""),
    ]
    assert [call.to_wire() for call in read] == calls


def test_a_computer_use_call_has_no_name_and_shows_what_it_asks() -> None:
    asked = {"action": {"type": "click", "x": 1}, "pending_safety_checks": []}
    call = {"id": "c", "type": "computer_use_preview", "computer_use_preview": asked}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    (read,) = run_with(required_action=action).required_calls
    assert (read.type, read.name, read.arguments, read.payload) == ("computer_use_preview", "", "", asked)


def test_a_required_action_without_its_type_still_lists_its_calls() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    assert (
        run_with(required_action={"submit_tool_outputs": {"tool_calls": [call]}}).required_calls[0].name
        == "a"
    )


def test_an_unknown_required_action_is_kept_and_lists_no_calls() -> None:
    run = run_with(required_action={"type": "submit_passport", "submit_passport": {"of": "me"}})
    assert run.required_action is not None
    assert (run.required_action.type, run.required_action.payload) == ("submit_passport", {"of": "me"})
    assert run.required_calls == ()


@pytest.mark.parametrize(
    ("fields", "expired_at"),
    [
        ({}, None),
        ({"expires_at": 5}, 5),
        ({"expired_at": 6}, 6),
        ({"expired_at": 6.5, "expires_at": 5}, 6.5),
        ({"expired_at": None, "expires_at": 5}, 5),
        ({"expired_at": "never", "expires_at": 5}, 5),
        ({"expired_at": True}, None),
    ],
    ids=repr,
)
def test_a_step_expires_under_either_name(fields: dict[str, Any], expired_at: Any) -> None:
    assert RunStep.from_wire({"id": "s", **fields}).expired_at == expired_at


def test_a_step_tells_its_type_under_both_names() -> None:
    step = RunStep.from_wire({"id": "s", "type": "activities"})
    assert step.step_type == step.type == "activities"


def test_usage_reads_both_spellings_of_its_details() -> None:
    usage = run_with(
        usage={
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_token_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }
    ).usage
    assert usage is not None
    assert (usage.total_tokens, usage.cached_tokens, usage.reasoning_tokens) == (7, 1, 2)


def test_unknown_kinds_are_read_as_the_general_one_with_their_content() -> None:
    tool = ToolDefinition.from_wire({"type": "time_travel", "time_travel": {"year": 1955}})
    call = StepToolCall.from_wire({"id": "c", "type": "time_travel", "to": 1955})
    details = StepDetails.from_wire({"type": "dreams", "dreams": {"of": "sheep"}})
    assert (type(tool), tool.payload) == (ToolDefinition, {"year": 1955})
    assert (type(call), call.id, call.payload) == (StepToolCall, "c", {"to": 1955})
    assert (type(details), details.payload) == (StepDetails, {"of": "sheep"})


@pytest.mark.parametrize("kind", [None, 5, [], {}, ["function"]], ids=repr)
def test_a_type_that_is_no_string_is_an_unknown_kind(kind: Any) -> None:
    run = run_with(tools=[{"type": kind}])
    assert [type(tool) for tool in run.tools] == [ToolDefinition]


def test_a_kind_that_is_asked_for_by_its_class_is_not_replaced() -> None:
    assert type(FunctionToolDefinition.from_wire({"type": "mcp"})) is FunctionToolDefinition


def test_what_is_no_object_is_left_out_of_a_list_but_not_lost() -> None:
    tools = [5, {"type": "function", "function": {"name": "a"}}, None]
    run = run_with(tools=tools)
    (tool,) = run.tools
    assert isinstance(tool, FunctionToolDefinition)
    assert run.to_wire()["tools"] == tools


def test_a_known_kind_with_a_broken_payload_keeps_its_kind() -> None:
    call = StepToolCall.from_wire({"id": "c", "type": "function", "function": "oops"})
    assert isinstance(call, FunctionToolCall)
    assert call.function is None
    assert call.to_wire()["function"] == "oops"


def test_choices_are_strings_or_objects() -> None:
    run = run_with(tool_choice="auto", response_format="auto")
    assert (run.tool_choice, run.response_format) == ("auto", "auto")
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    run = run_with(tool_choice={"type": "function", "function": {"name": "f"}}, response_format=schema)
    assert isinstance(run.tool_choice, ToolChoice)
    assert run.tool_choice.function is not None
    assert run.tool_choice.function.name == "f"
    assert isinstance(run.response_format, ResponseFormat)
    assert run.response_format.json_schema is not None
    assert run.response_format.json_schema.schema_ == {"type": "object"}


def test_an_empty_page_has_null_cursors() -> None:
    page = Page[Run].from_wire(
        {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    )
    assert (page.data, page.first_id, page.last_id, page.has_more) == ((), None, None, False)


def test_null_data_is_an_empty_page() -> None:
    assert Page[Run].from_wire({"data": None, "has_more": None}).data == ()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"error": {"message": "no"}}, "data"),
        ({"data": "x"}, "data"),
        ({"data": [{"id": "r", "status": "queued"}, {"id": "r"}]}, "data.1.status"),
    ],
    ids=repr,
)
def test_a_reply_that_is_no_page_is_never_taken_for_an_empty_one(body: dict[str, Any], path: str) -> None:
    with pytest.raises(WireInvalid) as caught:
        Page[Run].from_wire(body)
    assert [problem.path for problem in caught.value.problems] == [path]
