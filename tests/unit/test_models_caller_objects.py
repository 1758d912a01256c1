"""What a caller may ask for is checked before anything is stored, and sent as it was given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadrun.errors import InvalidRequest
from threadrun.models import FunctionToolChoice, OtherToolChoice
from threadrun.request import RunRequest

NO_JSON = type("NoJson", (), {"__repr__": lambda self: "NO_JSON"})()
"""A value that JSON cannot say, with the same name in every process."""

REQUEST = {"assistant_id": "asst_1", "thread_id": "thread_1"}
SCHEMA = {"type": "object", "properties": {"a": {"default": None}}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("truncation_strategy", {"type": "auto"}),
        ("truncation_strategy", {"type": "auto", "last_messages": None}),
        ("truncation_strategy", {"type": "last_messages", "last_messages": 1}),
        ("tool_choice", "none"),
        ("tool_choice", "auto"),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "get_weather-1"}}),
        ("tool_choice", {"type": "file_search"}),
        ("tool_choice", {"type": "something", "of": {"a": "later"}, "wire": None}),
        ("response_format", "auto"),
        ("response_format", {"type": "text"}),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "n" * 64, "schema": SCHEMA}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a_B-1", "strict": None}}),
    ],
    ids=str,
)
def test_what_fits_is_stored_and_sent_as_it_was_given(field: str, value: Any) -> None:
    request = RunRequest.parse({**REQUEST, field: value})
    stored = request.model_dump_json(exclude_none=True)
    assert json.dumps(request.create_body("k")[field]) == json.dumps(value)
    assert json.dumps(json.loads(stored)[field]) == json.dumps(value)
    assert RunRequest.model_validate_json(stored) == request


@pytest.mark.parametrize(
    ("field", "value", "path", "message"),
    [
        ("truncation_strategy", "auto", "", "an object such as"),
        ("truncation_strategy", {}, ".type", "is required"),
        ("truncation_strategy", {"type": "middle"}, ".type", "'auto' or 'last_messages'"),
        ("truncation_strategy", {"type": "last_messages"}, ".last_messages", "is required"),
        (
            "truncation_strategy",
            {"type": "last_messages", "last_messages": 0},
            ".last_messages",
            "must be 1 or more",
        ),
        (
            "truncation_strategy",
            {"type": "last_messages", "last_messages": "5"},
            ".last_messages",
            "whole number",
        ),
        ("truncation_strategy", {"type": "auto", "last_message": 5}, ".last_message", "is not known here"),
        ("tool_choice", "any", "", "none, auto, required"),
        ("tool_choice", 5, "", "none, auto, required"),
        ("tool_choice", [], "", "none, auto, required"),
        ("tool_choice", {"function": {"name": "f"}}, ".type", "is required"),
        ("tool_choice", {"type": ""}, ".type", "must not be empty"),
        ("tool_choice", {"type": "function"}, ".function", "is required"),
        ("tool_choice", {"type": "function", "function": {}}, ".function.name", "is required"),
        ("tool_choice", {"type": "function", "function": {"name": "a b"}}, ".function.name", "1 to 64"),
        ("tool_choice", {"type": "function", "function": {"name": "a\n"}}, ".function.name", "1 to 64"),
        ("response_format", "none", "", "auto, or an object"),
        ("response_format", {"type": "xml"}, ".type", "'text', 'json_object' or 'json_schema'"),
        ("response_format", {"type": "json_schema"}, ".json_schema", "is required"),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {}},
            ".json_schema.name",
            "is required",
        ),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "n" * 65}},
            ".json_schema.name",
            "1 to 64",
        ),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "ü"}},
            ".json_schema.name",
            "1 to 64",
        ),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "n", "schema": "{}"}},
            ".json_schema.schema",
            "must be an object",
        ),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "n", "strict": "yes"}},
            ".json_schema.strict",
            "must be true or false",
        ),
        ("response_format", {"type": "text", "x": NO_JSON}, ".x", "not a JSON type"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_its_path_and_limit(
    field: str, value: Any, path: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RunRequest.parse({**REQUEST, field: value})
    (problem,) = caught.value.problems
    assert problem.path == field + path
    assert message in problem.message


def test_a_callers_later_change_does_not_reach_the_request() -> None:
    choice: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
    request = RunRequest.parse({**REQUEST, "tool_choice": choice})
    choice["function"]["name"] = "g"
    assert request.create_body("k")["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_a_choice_can_be_given_as_a_model() -> None:
    choice = FunctionToolChoice.model_validate({"type": "function", "function": {"name": "f"}})
    request = RunRequest(assistant_id="a", thread_id="t", tool_choice=choice)
    assert isinstance(request.tool_choice, FunctionToolChoice)
    assert request.create_body("k")["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    other = RunRequest(assistant_id="a", thread_id="t", tool_choice=OtherToolChoice(type="mcp"))
    assert other.create_body("k")["tool_choice"] == {"type": "mcp"}
