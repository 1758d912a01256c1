"""The request: validated as the wire wants it, stored without loss, sent with our run key and nothing else of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadrun.errors import InvalidRequest, Problem
from threadrun.plain_json import MAX_DEPTH, plain_json
from threadrun.request import MAX_METADATA_PAIRS, RUN_KEY_METADATA, RUN_KEY_PATTERN, RunRequest

NO_JSON = type("NoJson", (), {"__repr__": lambda self: "NO_JSON"})()
"""A value that JSON cannot say, with the same name in every process."""

OURS = {"thread_id", "messages", "profile", "deadline_seconds", "thread_strategy", "on_done", "include"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def parse(**values):
    return RunRequest.parse({"assistant_id": "asst", "thread_id": "t", **values})


def paths(**values):
    with pytest.raises(InvalidRequest) as caught:
        parse(**values)
    return [problem.path for problem in caught.value.problems]


def test_a_thread_or_messages_are_needed():
    with pytest.raises(InvalidRequest, match=r"messages .* thread_id .* or both"):
        RunRequest.parse({"assistant_id": "asst"})
    assert RunRequest.parse({"assistant_id": "asst", "messages": [{"content": "hi"}]}).thread_id is None


def test_fifteen_pairs_of_metadata_go_out_as_sixteen_with_our_run_key():
    metadata = {f"k{n}": "v" for n in range(MAX_METADATA_PAIRS)}
    body = parse(metadata=metadata).create_body("order-7")
    assert body["metadata"] == metadata | {RUN_KEY_METADATA: "order-7"}
    assert len(body["metadata"]) == 16
    assert paths(metadata=metadata | {"one": "more"}) == ["metadata"]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"k" * 65: ""}, "65 characters; 1 to 64"),
        ({"": ""}, "0 characters; 1 to 64"),
        ({"k": "v" * 513}, "513 characters; at most 512"),
        ({RUN_KEY_METADATA: "x"}, "reserved"),
    ],
)
def test_metadata_that_the_wire_would_refuse_is_refused_here_saying_the_limit(metadata, said):
    with pytest.raises(InvalidRequest, match=said):
        parse(metadata=metadata)


def test_the_longest_metadata_the_wire_takes_is_taken():
    metadata = {"k" * 64: "v" * 512}
    assert parse(metadata=metadata).metadata == metadata


@pytest.mark.parametrize("name", ["instructions", "additional_instructions"])
def test_instructions_have_the_wires_limit(name):
    assert getattr(parse(**{name: "x" * 256_000}), name) == "x" * 256_000
    assert paths(**{name: "x" * 256_001}) == [name]


def test_a_messages_text_has_the_wires_limit():
    assert parse(messages=[{"content": "x" * 256_000}]).messages[0].role == "user"
    assert paths(messages=[{"content": "x" * 256_001}]) == ["messages.0.content"]
    assert paths(messages=[{"content": ""}]) == ["messages.0.content"]


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        ({"messages": [{"content": [{"type": "text", "text": "x" * 256_001}]}]}, "messages.0.content",
         "256001 characters; at most 256000"),
        ({"messages": [{"content": "x", "metadata": {f"k{n}": "v" for n in range(17)}}]},
         "messages.0.metadata", "has 17 pairs; at most 16"),
        ({"messages": [{"content": "x", "metadata": {"k": True}}]}, "messages.0.metadata.k", "must be a text"),
        ({"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}},
         "tool_resources.code_interpreter.file_ids", "has 21; at most 20 files"),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}},
         "tool_resources.file_search.vector_store_ids", "has 2; at most 1 vector store"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n" * 65}}},
         "response_format.json_schema.name", "a name has 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        ({"tool_choice": {"type": "function", "function": {"name": "n" * 65}}},
         "tool_choice.function.name", "a name has 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        ({"max_prompt_tokens": 255}, "max_prompt_tokens", "must be 256 or more"),
        ({"max_completion_tokens": 255}, "max_completion_tokens", "must be 256 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_limit_of_the_wire_is_told_with_its_number(values, path, said):
    with pytest.raises(InvalidRequest) as caught:
        parse(**values)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [(path, said)]


@pytest.mark.parametrize(
    "values",
    [
        {"messages": [{"content": "x", "metadata": {f"k{n}": "v" for n in range(16)}}] * 50},
        {"messages": [{"content": [{"type": "text", "text": "x" * 256_000}] * 2}]},
        {"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 20}, "mcp": [{"server_label": "s"}]}},
        {"reasoning_effort": "of tomorrow", "include": ["new.thing"]},
        {"tool_choice": {"type": "of_tomorrow", "more": 1}},
    ],
    ids=["metadata", "texts", "resources", "words", "tool choice"],
)
def test_what_some_server_may_take_is_left_to_the_server(values):
    parse(**values)


def test_what_is_ours_is_never_sent_and_what_is_not_given_neither():
    request = parse(
        messages=[{"content": "hi"}], deadline_seconds=5, thread_strategy="reject", on_done={"task": "t"},
        profile="azure", include=["x"],
    )  # fmt: skip
    body = request.create_body("k")
    assert body == {
        "assistant_id": "asst",
        "additional_messages": [{"role": "user", "content": "hi"}],
        "metadata": {RUN_KEY_METADATA: "k"},
    }
    assert OURS.isdisjoint(body)


def test_the_messages_of_a_new_thread_go_into_the_thread_and_not_into_the_run():
    request = RunRequest.parse(
        {"assistant_id": "asst", "messages": [{"role": "assistant", "content": "hi", "attachments": []}]}
    )
    assert request.thread_body("k") == {
        "messages": [{"role": "assistant", "content": "hi", "attachments": []}],
        "metadata": {RUN_KEY_METADATA: "k"},
    }
    assert "additional_messages" not in request.create_body("k")


@given(json_values)
def test_whatever_json_can_say_is_stored_and_sent_as_it_was_given(value):
    request = parse(tool_resources={"a": value}, messages=[{"content": [{"type": "text", "text": value}]}])
    stored = request.model_dump_json(exclude_none=True)

    assert RunRequest.model_validate_json(stored) == request
    body = json.loads(json.dumps(request.create_body("k")))
    assert body["tool_resources"] == {"a": value}
    assert body["additional_messages"][0]["content"] == [{"type": "text", "text": value}]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (NO_JSON, "tool_resources.a"),
        ({"b": [1, {2}]}, "tool_resources.a.b.1"),
        (b"x", "tool_resources.a"),
        (datetime(2026, 1, 1, tzinfo=UTC), "tool_resources.a"),
        (float("inf"), "tool_resources.a"),
        ({1: "x"}, "tool_resources.a"),
        ("\ud800", "tool_resources.a"),
        ({"\ud800": 1}, "tool_resources.a"),
    ],
    ids=repr,
)
def test_what_json_cannot_say_is_refused_where_it_stands(value, path):
    assert paths(tool_resources={"a": value}) == [path]


def test_values_as_deep_as_allowed_pass_and_deeper_ones_are_refused_even_without_end():
    deep = []
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    problems = []
    assert plain_json(deep, "", problems) == deep
    assert problems == []
    plain_json([deep], "x", problems)
    assert [problem.message for problem in problems] == [f"is nested more than {MAX_DEPTH} deep"]


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": "0.5"}, {"temperature": True}, {"top_p": "1"}, {"parallel_tool_calls": "yes"},
        {"parallel_tool_calls": 1}, {"max_prompt_tokens": "300"}, {"max_completion_tokens": 300.0},
        {"deadline_seconds": "60"}, {"deadline_seconds": True},
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_of_another_type_is_refused_however_it_could_be_read(given):
    assert paths(**given) == [*given]


def test_a_whole_number_is_a_number():
    assert (parse(temperature=1).temperature, parse(deadline_seconds=60).deadline_seconds) == (1, 60)


def test_all_problems_are_told_at_once_without_the_values():
    with pytest.raises(InvalidRequest) as caught:
        parse(temperature="hot-secret", top_p=7, model="", on_done={"task": ""})
    assert [problem.path for problem in caught.value.problems] == [
        "model",
        "temperature",
        "top_p",
        "on_done.task",
    ]
    assert "hot-secret" not in str(caught.value)
    assert str(Problem("a.b", "is wrong")) in str(InvalidRequest([Problem("a.b", "is wrong")]))


def test_an_invalid_request_is_a_value_error_to_others():
    with pytest.raises(ValueError):
        parse(colour="red")


@pytest.mark.parametrize("good", ["a", "A-Z.0_9:", "x" * 128])
def test_run_keys_that_are_accepted(good):
    assert RUN_KEY_PATTERN.fullmatch(good)


@pytest.mark.parametrize("bad", ["", "x" * 129, "a b", "a/b", "a\n", "ü", "a#b", "{a}"])
def test_run_keys_that_are_not(bad):
    assert not RUN_KEY_PATTERN.fullmatch(bad)


def test_a_request_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        parse().model = "other"


def test_everything_that_is_wrong_with_metadata_is_told_at_once():
    metadata = {f"k{n}": "v" for n in range(MAX_METADATA_PAIRS)}
    wrong = {"": "v", "k" * 100: "v", "long": "v" * 513, "number": 7, RUN_KEY_METADATA: "x"}

    with pytest.raises(InvalidRequest) as caught:
        parse(metadata=metadata | wrong, temperature=3)

    told = {problem.path: problem.message for problem in caught.value.problems}
    assert told == {
        "metadata": "has 20 pairs; at most 15 (the sixteenth is ours)",
        "metadata.": "the key has 0 characters; 1 to 64 are allowed",
        f"metadata.{'k' * 70}…": "the key has 100 characters; 1 to 64 are allowed",
        "metadata.long": "the value has 513 characters; at most 512",
        "metadata.number": "must be a text",
        f"metadata.{RUN_KEY_METADATA}": "the key is reserved for the run key",
        "temperature": "must be 2 or less",
    }


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        ({"messages": [{"content": 5}]}, "messages.0.content", "must be a text or a list of parts"),
        ({"messages": [{"content": ["x"]}]}, "messages.0.content.parts.0", "must be an object"),
        ({"messages": 5}, "messages", "must be a list"),
        ({"model": ""}, "model", "must not be empty"),
        ({"colour": "red"}, "colour", "is not known here"),
        ({"on_done": {}}, "on_done.task", "is required"),
        ({"thread_strategy": "x"}, "thread_strategy", "must be 'enqueue', 'reject' or 'interrupt'"),
        ({"deadline_seconds": 0}, "deadline_seconds", "must be more than 0"),
        ({"max_prompt_tokens": 1.5}, "max_prompt_tokens", "must be a whole number"),
    ],
    ids=str,
)
def test_problems_are_told_in_plain_words(values, path, said):
    with pytest.raises(InvalidRequest) as caught:
        parse(**values)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [(path, said)]
