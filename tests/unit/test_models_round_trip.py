"""Whatever JSON a server sends, nothing of it is lost."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from threadrun.models import Message, Page, Run, RunStep, WireInvalid
from threadrun.models.item_texts import member_item_texts

# Half surrogate pairs are in: a server that cuts strings by UTF-16 units sends them.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.integers() | st.integers(10**18, 10**40) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CALL = st.fixed_dictionaries(
    {},
    optional={"id": JSON, "type": st.sampled_from(["function", "mcp", "new"]) | JSON, "function": JSON},
)
ACTION = st.fixed_dictionaries(
    {"type": st.sampled_from(["submit_tool_outputs", "submit_tool_approval", "new"])},
    optional={"submit_tool_outputs": st.fixed_dictionaries({"tool_calls": st.lists(CALL, max_size=2)})},
)
DETAILS = st.fixed_dictionaries(
    {"type": st.sampled_from(["tool_calls", "message_creation", "activities", "new"])},
    optional={"tool_calls": st.lists(CALL | JSON, max_size=2), "message_creation": JSON, "activities": JSON},
)


def objects(model: type[BaseModel], **likely: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = [
        field.alias or name for name, field in model.model_fields.items() if name not in ("id", "status")
    ]
    known = st.fixed_dictionaries({}, optional={name: likely.get(name, JSON) | JSON for name in fields})
    required = st.fixed_dictionaries({"id": st.just("r_1"), "status": st.sampled_from(["queued", "new"])})
    return st.builds(
        lambda a, b, c: {**c, **a, **b},
        required,
        known,
        st.dictionaries(TEXTS.map("x_{}".format), JSON, max_size=2),
    )


def exactly(value: Any) -> str:
    """Tell 1 from 1.0 and True, and one order of keys from another."""
    return json.dumps(value)


def assert_nothing_is_lost(model: type[Run] | type[RunStep] | type[Message], value: dict[str, Any]) -> None:
    text = json.dumps(value)
    from_text, from_object = model.from_wire(text), model.from_wire(value)
    assert exactly(from_text.to_wire()) == exactly(from_object.to_wire()) == exactly(value)
    for written in (from_text.to_wire_json(), from_object.to_wire_json()):
        assert exactly(json.loads(written.encode())) == exactly(value)
    assert from_text == from_object
    assert hash(from_text) == hash(from_object)


@settings(deadline=None, max_examples=150)
@given(objects(Run, required_action=ACTION, tools=st.lists(CALL, max_size=2)))
@example({"id": "r", "status": "queued", "created_at": 1795175614.0, "expires_at": 10**30, "usage": {}})
@example({"id": "r", "status": "queued", "instructions": "cut \ud83d", "tools": [{"type": "x\udc00"}]})
def test_a_run_comes_back_as_it_was_sent(value: dict[str, Any]) -> None:
    assert_nothing_is_lost(Run, value)


@settings(deadline=None, max_examples=150)
@given(objects(RunStep, step_details=DETAILS))
def test_a_step_comes_back_as_it_was_sent(value: dict[str, Any]) -> None:
    assert_nothing_is_lost(RunStep, value)


@settings(deadline=None, max_examples=100)
@given(objects(Message, content=st.lists(CALL, max_size=2)))
def test_a_message_comes_back_as_it_was_sent(value: dict[str, Any]) -> None:
    assert_nothing_is_lost(Message, value)


@settings(deadline=None, max_examples=100)
@given(objects(Run, required_action=ACTION))
def test_every_string_that_is_read_can_be_encoded(value: dict[str, Any]) -> None:
    run = Run.from_wire(json.dumps(value))
    for text in (
        run.instructions or "",
        *(call.name + call.arguments + call.id for call in run.required_calls),
    ):
        text.encode()


@pytest.mark.parametrize("as_text", [True, False])
def test_half_a_surrogate_pair_reads_as_a_replacement_character_and_is_given_back(as_text: bool) -> None:
    function = {"name": "f", "arguments": "cut \ud83d"}
    calls = {"tool_calls": [{"id": "c", "type": "function", "function": function}]}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": calls}
    wire = {"id": "r", "status": "queued", "required_action": action}
    run = Run.from_wire(json.dumps(wire) if as_text else wire)
    assert run.required_calls[0].arguments == "cut \ufffd"
    assert run.to_wire() == wire


def test_repeated_keys_and_every_digit_stay_in_the_text() -> None:
    text = '{"id": "r", "status": "queued", "status": "failed", "score": 0.10000000000000000000001}'
    run = Run.from_wire(text)
    assert run.status == "failed"
    assert run.to_wire_json() == text
    assert Run.from_wire(text.encode()).to_wire_json() == text


@pytest.mark.parametrize(
    "value",
    [
        "1e400", "-1e400", "-0.0", "-0", "1.50", "1E+5", "0.1e-400", "0.10000000000000000000001",
        "123456789012345678901234567890123", '"half \\ud83d"', '{"a": 1, "a": 2}', '"\\u0041/\\/"', "[ 1 ,\n2]",
    ],
)  # fmt: skip
def test_every_form_of_a_value_is_written_back_also_from_a_page(value: str) -> None:
    text = f'{{"id": "r", "status": "queued", "x": {value}, "y": {value}}}'
    page = Page[Run].from_wire(
        f'{{"object": "list", "data": [ {text} , {text}], "data_": [{value}]}}'.encode()
    )

    for run in (Run.from_wire(text), *page.data):
        assert run.to_wire_json() == text
        assert json.dumps(run.to_wire()["x"]) == json.dumps(json.loads(value))


def test_a_number_too_big_for_a_float_reads_as_absent_and_is_written_as_a_number() -> None:
    text = '{"id": "r", "status": "queued", "created_at": 1e400, "usage": {"total_tokens": 1, "x": -1e400}}'
    run = Run.from_wire(text)
    assert run.created_at is None
    assert run.usage is not None
    assert run.usage.to_wire_json() == '{"total_tokens":1,"x":-1e999}'
    assert run.to_wire_json() == text


@pytest.mark.parametrize(
    "text", ['{"data": {}}', '{"data": [1', "", "[1]", '{"a": [1]}', '{"data": [' + "[" * 9999]
)
def test_what_is_no_array_of_a_page_is_not_cut(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        member_item_texts(text, "data")


def test_absence_null_and_the_empty_object_stay_apart() -> None:
    for part in ("", ', "usage": null', ', "usage": {}', ', "metadata": null', ', "required_action": {}'):
        text = f'{{"id": "r", "status": "queued"{part}}}'
        assert json.dumps(Run.from_wire(text).to_wire()) == text


def test_a_byte_order_mark_and_deep_nesting_are_read() -> None:
    assert Run.from_wire(b'\xef\xbb\xbf{"id": "r", "status": "queued"}').id == "r"
    text = '{"id": "r", "status": "queued", "deep": ' + "[" * 250 + "]" * 250 + "}"
    assert Run.from_wire(text).to_wire() == json.loads(text)


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "r"}',
        b'{"status": "queued"}',
        b'{"id": "", "status": "queued"}',
        b'{"id": "r", "status": null}',
        b'{"id": 5, "status": "queued"}',
        b'{"id": "r", "status": "queued", "x": NaN}',
        b'{"id": "r", "status": "queued", "x": \xff}',
        b'{"id": "r", "status": "queued", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        {"id": "r"},
        {"id": "r", "status": "queued", "x": object()},
        {"id": "r", "status": "queued", "x": math.nan},
        {"id": "r", "status": "queued", "x": {1: 2}},
    ],
    ids=range(17),
)
def test_what_is_no_run_raises_one_error_that_shows_no_content(source: Any) -> None:
    with pytest.raises(WireInvalid, match="Not a Run of the Assistants wire") as caught:
        Run.from_wire(source)
    assert isinstance(caught.value, ValueError)
    assert caught.value.problems


def test_the_error_names_the_fields_and_never_their_values() -> None:
    with pytest.raises(WireInvalid) as caught:
        Run.from_wire({"id": ["a secret of the user"], "instructions": "another secret"})
    assert {problem.path for problem in caught.value.problems} == {"id", "status"}
    assert "secret" not in str(caught.value)


def test_repr_shows_where_a_run_is_and_nothing_that_users_wrote() -> None:
    run = Run.from_wire(
        {"id": "r", "status": "queued", "instructions": "secret", "metadata": {"a": "secret"}}
    )
    assert repr(run) == "Run(id='r', object='thread.run', status='queued')"
    assert "secret" not in f"{run} {run!r}"


def test_the_given_object_and_the_returned_one_are_the_callers_own() -> None:
    given_object: dict[str, Any] = {"id": "r", "status": "queued", "tools": [{"type": "function"}]}
    run = Run.from_wire(given_object)
    given_object["tools"].append("changed")
    run.to_wire()["tools"].append("changed")
    run.tools[0].to_wire()["type"] = "changed"
    assert run.to_wire() == {"id": "r", "status": "queued", "tools": [{"type": "function"}]}
    assert run.tools[0].to_wire() == {"type": "function"}


def test_a_run_inside_another_pydantic_model_is_stored_and_read_back_whole() -> None:
    class Record(BaseModel):
        run: Run
        steps: tuple[RunStep, ...]

    wire = {
        "id": "r",
        "status": "queued",
        "created_at": 1.0,
        "usage": None,
        "new": {},
        "tools": [{"type": "mcp"}],
    }
    step = {"id": "s", "step_details": {"type": "new", "x": [1]}}
    record = Record(run=Run.from_wire(wire), steps=(RunStep.from_wire(json.dumps(step)),))
    again = Record.model_validate_json(record.model_dump_json())
    assert exactly(again.run.to_wire()) == exactly(wire)
    assert exactly(again.steps[0].to_wire()) == exactly(step)
    assert exactly(Record.model_validate(record.model_dump()).run.to_wire()) == exactly(wire)


def test_a_page_gives_its_entries_back_one_by_one() -> None:
    wire = {"object": "list", "data": [{"id": "r", "status": "queued", "new": 1.0}], "has_more": True}
    page = Page[Run].from_wire(json.dumps(wire))
    assert exactly(page.data[0].to_wire()) == exactly(wire["data"][0])  # type: ignore[index]
    assert page.has_more


COPIES: dict[str, Callable[[Any], Any]] = {
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "copied by pydantic": lambda model: model.model_copy(deep=True),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_gives_back_what_its_original_was_read_from(how: str) -> None:
    text = '{"id":"r","status":"queued","created_at":1.0,"x":1e2,"usage":{"prompt_tokens":3,"y":null}}'
    run = COPIES[how](Run.from_wire(text))
    assert run.to_wire_json() == text
    assert run.usage.to_wire_json() == '{"prompt_tokens":3,"y":null}'
