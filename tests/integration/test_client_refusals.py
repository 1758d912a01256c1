"""Requests that cannot work are refused by both clients, with the path, before anything is stored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.serving import definition
from threadrun.errors import InvalidRequest


class Odd:
    """What JSON has no word for."""


LOOP: list[object] = []


LOOP.append(LOOP)


BAD = [
    ({"messages": None}, ""),
    ({"messages": ""}, "messages.0.content"),
    ({"messages": []}, ""),
    ({"messages": 5}, "messages"),
    ({"messages": {"role": "user", "content": "hi"}}, "messages"),
    ({"messages": [{"role": "system", "content": "hi"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": ["hi", {"content": []}]}, "messages.1.content"),
    ({"messages": ["x" * 256_001]}, "messages.0.content"),
    ({"messages": [{"content": [{"type": "text", "text": Odd()}]}]}, "messages.0.content.0.text"),
    ({"messages": "half \ud83d"}, "messages.0.content"),
    ({"metadata": {f"k{n}": "" for n in range(16)}}, "metadata"),
    ({"metadata": {"k" * 65: ""}}, f"metadata.{'k' * 65}"),
    ({"metadata": {"": ""}}, "metadata."),
    ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    ({"metadata": {"k": 5}}, "metadata.k"),
    ({"metadata": {5: "v"}}, "metadata"),
    ({"metadata": {"threadrun_key": "mine"}}, "metadata.threadrun_key"),
    ({"metadata": ["k"]}, "metadata"),
    ({"thread_id": ""}, "thread_id"),
    ({"thread_id": "t" * 257}, "thread_id"),
    ({"thread_id": 5}, "thread_id"),
    ({"model": ""}, "model"),
    ({"model": "m" * 257}, "model"),
    ({"instructions": "x" * 256_001}, "instructions"),
    ({"additional_instructions": "x" * 256_001}, "additional_instructions"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": float("nan")}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"reasoning_effort": "x" * 65}, "reasoning_effort"),
    ({"max_prompt_tokens": 255}, "max_prompt_tokens"),
    ({"max_prompt_tokens": 300.5}, "max_prompt_tokens"),
    ({"max_completion_tokens": 255}, "max_completion_tokens"),
    ({"max_completion_tokens": "many"}, "max_completion_tokens"),
    ({"truncation_strategy": "auto"}, "truncation_strategy"),
    ({"truncation_strategy": {"type": "last_messages"}}, "truncation_strategy.last_messages"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"parallel_tool_calls": "perhaps"}, "parallel_tool_calls"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"tool_resources": ["vs_1"]}, "tool_resources"),
    ({"tool_resources": {"a": {"b": datetime(2026, 1, 1, tzinfo=UTC)}}}, "tool_resources.a.b"),
    ({"tool_resources": {"a": {1, 2}}}, "tool_resources.a"),
    ({"tool_resources": {"a": b"bytes"}}, "tool_resources.a"),
    ({"include": "abc"}, "include"),
    ({"tools": "add"}, "tools"),
    ({"tools": {"add": 1}}, "tools"),
    ({"tools": [5]}, "tools.0"),
    ({"tools": [{"type": 5}]}, "tools.0"),
    ({"tools": [{"type": "function"}]}, "tools.0.function.name"),
    ({"tools": [{"type": "file_search"}, {"type": "function", "function": {}}]}, "tools.1.function.name"),
    ({"tools": [{"type": "function", "function": "add"}]}, "tools.0.function.name"),
    ({"tools": [definition("a,b")]}, "tools.0.function.name"),
    ({"tools": [definition("n" * 65)]}, "tools.0.function.name"),
    ({"tools": [definition("add", parameters={"default": Odd()})]}, "tools.0.function.parameters.default"),
    ({"tools": [{"type": "file_search"}] * 129}, "tools"),
    ({"profile": "Azure"}, "profile"),
    ({"profile": "a:b"}, "profile"),
    ({"profile": "p" * 65}, "profile"),
    ({"deadline_seconds": 0}, "deadline_seconds"),
    ({"deadline_seconds": 7 * 86_400 + 1}, "deadline_seconds"),
    ({"deadline_seconds": float("inf")}, "deadline_seconds"),
    ({"thread_strategy": "queue"}, "thread_strategy"),
    ({"on_done": ""}, "on_done.task"),
    ({"on_done": {"queue": "q"}}, "on_done.task"),
    ({"on_done": {"task": "t" * 201}}, "on_done.task"),
    ({"on_done": {"task": "t", "args": []}}, "on_done.args"),
    ({"on_done": 5}, "on_done"),
    ({"idempotency_key": ""}, "idempotency_key"),
    ({"idempotency_key": "k" * 129}, "idempotency_key"),
    ({"idempotency_key": "a b"}, "idempotency_key"),
    ({"idempotency_key": "a/events"}, "idempotency_key"),
    ({"idempotency_key": "ü"}, "idempotency_key"),
    ({"idempotency_key": "a\n"}, "idempotency_key"),
    ({"idempotency_key": 5}, "idempotency_key"),
    ({"idempotency_key": ["a"]}, "idempotency_key"),
    ({"colour": "red"}, "colour"),
    ({"tool_resources": {"a": LOOP}}, "tool_resources.a" + ".0" * 98),
]


@pytest.mark.parametrize("backend", ["fakeredis"], indirect=True)  # it never gets as far as Redis
@pytest.mark.parametrize(("options", "path"), BAD, ids=lambda value: str(value)[:60])
async def test_a_request_that_cannot_work_is_refused_with_its_path_before_anything_is_stored(
    twin, backend, options, path
):
    before = backend.dump()

    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue("asst", **({"messages": "hi"} | options))

    assert type(caught.value) is InvalidRequest
    assert [problem.path for problem in caught.value.problems] == [path]
    assert all(problem.message for problem in caught.value.problems)
    assert backend.dump() == before


async def test_the_limits_of_tools_are_told_with_their_numbers(twin):
    tools = [definition("n" * 65), *[{"type": "file_search"}] * 128]
    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue("asst", messages="hi", tools=tools)

    assert [problem.message for problem in caught.value.problems] == [
        "129 tools; at most 128 a run",
        "give 1 to 64 of the characters A-Z a-z 0-9 _ -",
    ]


@pytest.mark.parametrize("assistant_id", ["", "a" * 257, 5, None])
async def test_an_assistant_that_cannot_be_is_refused(twin, backend, assistant_id):
    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue(assistant_id, messages="hi")
    assert [problem.path for problem in caught.value.problems] == ["assistant_id"]
    assert backend.left() == {}


async def test_all_problems_of_a_request_are_told_at_once_and_never_its_content(twin):
    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue(
            "", messages=[{"role": "secret-role", "content": "secret text"}], temperature="secret"
        )

    assert {problem.path for problem in caught.value.problems} == {
        "assistant_id", "messages.0.role", "temperature",
    }  # fmt: skip
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("backend", ["fakeredis"], indirect=True)
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"tool_resources": {"a": 10**4_300}}, "tool_resources.a"),
        ({"tool_resources": {"a": -(10**5_000)}}, "tool_resources.a"),
        ({"max_prompt_tokens": 10**5_000}, "max_prompt_tokens"),
        ({"deadline_seconds": 10**5_000}, "deadline_seconds"),
        ({"tools": [{"type": "x", "x": 10**5_000}]}, "tools.0.x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_whole_number_of_more_digits_than_python_writes_is_refused(twin, backend, options, path):
    before = backend.dump()
    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue("asst", messages="hi", **options)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        (path, "has more than 4300 digits")
    ]
    assert backend.dump() == before


async def test_a_whole_number_of_as_many_digits_as_python_writes_is_kept(twin):
    longest = 10**4_300 - 1
    key = (await twin.enqueue("asst", messages="hi", tool_resources={"x": longest})).key
    assert (await twin.get(key)).request.tool_resources == {"x": longest}
