"""Models built in Python write what the wire wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from threadrun.models import (
    FunctionDefinition,
    FunctionToolDefinition,
    JsonSchemaFormat,
    LastError,
    Message,
    Page,
    RequiredAction,
    RequiredFunction,
    RequiredToolCall,
    RequiredToolCalls,
    ResponseFormat,
    Run,
    RunStep,
    TextPart,
    ToolDefinition,
    Usage,
    WireInvalid,
)
from threadrun.status import RunStatus


def test_a_built_run_writes_the_fields_that_were_given_and_no_others() -> None:
    run = Run(id="r", status=RunStatus.QUEUED, created_at=1.0, usage=None, x_new={"a": (1, 2)})
    expected = (
        '{"id": "r", "object": "thread.run", "created_at": 1.0, "status": "queued", "usage": null, '
        '"x_new": {"a": [1, 2]}}'
    )
    assert json.dumps(run.to_wire()) == expected
    assert json.loads(run.to_wire_json()) == run.to_wire()


def test_built_parts_write_their_own_type() -> None:
    call = RequiredToolCall(
        id="c", type="function", function=RequiredFunction(name="add", arguments='{"a": 1}')
    )
    run = Run(
        id="r",
        status="requires_action",
        required_action=RequiredAction(
            type="submit_tool_outputs", submit_tool_outputs=RequiredToolCalls(tool_calls=(call,))
        ),
        tools=(FunctionToolDefinition(function=FunctionDefinition(name="add", parameters={})),),
        response_format=ResponseFormat(type="json_schema", json_schema=JsonSchemaFormat(name="n", schema={})),
    )
    assert run.required_calls == (call,)
    assert run.to_wire() == {
        "id": "r",
        "object": "thread.run",
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {
                "tool_calls": [
                    {"type": "function", "id": "c", "function": {"name": "add", "arguments": '{"a": 1}'}}
                ]
            },
        },
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    }


def test_a_built_model_equals_the_same_one_read() -> None:
    built = Run(id="r", status="queued", last_error=LastError(code="server_error", message="m"))
    assert built == Run.from_wire(built.to_wire_json()) == Run.from_wire(built.to_wire())
    assert built != Run(id="r", status="queued")
    assert built != RunStep(id="r")


def test_plain_objects_are_read_into_their_kinds_when_building() -> None:
    run = Run.model_validate({"id": "r", "status": "queued", "tools": [{"type": "function"}]})
    assert isinstance(run.tools[0], FunctionToolDefinition)
    values: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    assert isinstance(Run(id="r", status="queued", **values).tools[0], FunctionToolDefinition)


def test_the_class_that_is_built_is_the_class_one_gets() -> None:
    general = ToolDefinition(type="function")
    assert type(general) is ToolDefinition
    assert general.to_wire() == {"type": "function"}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("expires_at", "soon"),
        ("usage", {"cost": 1}),
        ("tools", [5]),
        ("tools", "function"),
        ("metadata", ["a"]),
        ("usage", {"prompt_tokens": "many"}),
    ],
)
def test_building_refuses_what_reading_would_drop(field: str, wrong: Any) -> None:
    values = {"id": "r", "status": "queued", field: wrong}
    assert Run.from_wire(values).to_wire()[field] == wrong
    with pytest.raises(ValidationError, match=field) as caught:
        Run(**values)
    assert "soon" not in str(caught.value)


def test_a_model_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Run(id="r", status="queued").status = "failed"  # type: ignore[misc]


def test_an_updated_copy_writes_the_update_and_keeps_the_rest() -> None:
    run = Run.from_wire('{"id": "r", "new": 1.0, "status": "queued", "usage": null}')
    later = run.model_copy(update={"status": "completed", "usage": Usage(prompt_tokens=1)})
    assert json.dumps(later.to_wire()) == (
        '{"id": "r", "new": 1.0, "status": "completed", "usage": {"prompt_tokens": 1}}'
    )
    assert later.terminal
    assert run.model_copy() == run
    with pytest.raises(WireInvalid):
        run.model_copy(update={"status": None})


def test_a_built_page_writes_its_entries() -> None:
    page = Page[Run](data=(Run(id="r", status="queued"),), first_id="r", last_id=None)
    assert page.to_wire() == {
        "object": "list",
        "data": [{"id": "r", "object": "thread.run", "status": "queued"}],
        "first_id": "r",
        "last_id": None,
    }


def test_a_built_message_writes_bare_text_as_it_was_given() -> None:
    message = Message(id="m", role="user", content=(TextPart(text="hi"),))
    assert message.to_wire()["content"] == [{"type": "text", "text": "hi"}]
