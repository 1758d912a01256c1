"""Enqueueing through both clients: what is stored, tools by name, profiles, and the same request again."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from tests.integration.serving import count_reads, definition, serve
from threadrun.client import catalogue as catalogue_module
from threadrun.errors import IdempotencyConflict, ThreadBusy, UnknownProfile, UnknownTool
from threadrun.request import OnDone
from threadrun.status import Stage

EVERYTHING = {
    "thread_id": "thread_1",
    "messages": [
        "hi",
        {"role": "assistant", "content": [{"type": "text", "text": "ho"}], "attachments": None},
    ],
    "instructions": "be brief",
    "additional_instructions": "really",
    "model": "gpt-9",
    "tools": [{"type": "file_search", "file_search": {"max_num_results": 3}}],
    "metadata": {"k" * 64: "v" * 512, **{f"k{n}": "" for n in range(14)}},
    "temperature": 0.5,
    "top_p": 1,
    "reasoning_effort": "low",
    "max_prompt_tokens": 256,
    "max_completion_tokens": 300,
    "truncation_strategy": {"type": "last_messages", "last_messages": 4},
    "tool_choice": {"type": "function", "function": {"name": "add"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"default": None}}},
    "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
    "include": ["step_details.tool_calls[*].file_search.results[*].content"],
    "idempotency_key": "Order-7._:" + "x" * 118,
    "deadline_seconds": 90.5,
    "profile": "default",
    "thread_strategy": "reject",
    "on_done": {"task": "shop.done", "queue": "shop"},
}
"""Every option of an enqueue that goes to the wire, and ours."""


async def test_a_handle_stands_for_the_run(twin):
    handle = await twin.enqueue("asst", messages="hi", metadata={"team": "a"})

    assert (handle.created, len(handle.key)) == (True, 32)
    record = await twin.get(handle.key)
    assert (record.key, record.request.metadata, record.stage) == (handle.key, {"team": "a"}, Stage.CREATE)


async def test_everything_the_wire_takes_is_stored_as_given(twin, backend):
    serve(backend)
    options = EVERYTHING

    handle = await twin.enqueue("asst", **options)

    record = await twin.get(handle.key)
    body = record.request.create_body(handle.key)
    assert body == {
        "assistant_id": "asst",
        **{name: options[name] for name in (
            "instructions", "additional_instructions", "model", "tools", "temperature", "top_p",
            "reasoning_effort", "max_prompt_tokens", "max_completion_tokens", "truncation_strategy",
            "tool_choice", "parallel_tool_calls", "response_format", "tool_resources",
        )},
        "metadata": options["metadata"] | {"threadrun_key": handle.key},
        "additional_messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "ho"}]},
        ],
    }  # fmt: skip
    assert (record.request.on_done, record.request.thread_strategy) == (
        OnDone(task="shop.done", queue="shop"), "reject",
    )  # fmt: skip
    assert record.request.include == tuple(options["include"])
    row = backend.sync.hgetall(backend.keys.run(handle.key))
    assert (json.loads(row["include"]), row["tells"], row["assistant_id"], row["thread_id"]) == (
        options["include"], "1", "asst", "thread_1",
    )  # fmt: skip
    assert (record.deadline_at - record.created_at).total_seconds() == 90.5


async def test_a_run_without_include_and_on_done_has_no_field_of_theirs(twin, backend):
    handle = await twin.enqueue("asst", messages="hi")
    row = backend.sync.hgetall(backend.keys.run(handle.key))
    assert ("include" in row, "thread_id" in row, row["tells"]) == (False, False, "0")


async def test_an_on_done_task_can_be_given_by_its_name_alone(twin):
    handle = await twin.enqueue("asst", messages="hi", on_done="shop.done")
    assert (await twin.get(handle.key)).request.on_done == OnDone(task="shop.done", queue="celery")


async def test_options_that_are_none_are_as_if_left_out(twin, backend):
    first = await twin.enqueue("asst", messages="hi", idempotency_key="k")
    again = await twin.enqueue(
        "asst", messages="hi", idempotency_key="k", model=None, tools=None, profile=None, deadline_seconds=None,
        thread_id=None, on_done=None, metadata=None, thread_strategy=None,
    )  # fmt: skip
    assert (first.created, again.created) == (True, False)


@pytest.mark.parametrize(
    ("options", "kind", "holds_thread"),
    [
        ({"messages": "hi"}, "new thread", False),
        ({"thread_id": "t"}, "as it is", True),
        ({"thread_id": "t", "messages": "hi"}, "added", True),
    ],
)
async def test_messages_and_thread_together_say_what_is_run(twin, backend, options, kind, holds_thread):
    handle = await twin.enqueue("asst", **options)
    request = (await twin.get(handle.key)).request

    assert ("additional_messages" in request.create_body("k")) == (kind == "added")
    assert len(request.thread_body("k")["messages"]) == (kind != "as it is")
    assert bool(backend.sync.exists(backend.keys.thread("default", "t") + ":active")) == holds_thread


async def test_tools_by_name_are_filled_in_from_the_catalogue_and_only_they_are_allowed(twin, backend):
    serve(backend, "add", "mul", "sub")

    handle = await twin.enqueue("asst", messages="hi", tools=["mul", {"type": "code_interpreter"}, "add"])

    request = (await twin.get(handle.key)).request
    assert request.tools == (definition("mul"), {"type": "code_interpreter"}, definition("add"))
    assert backend.sync.hget(backend.keys.run(handle.key), "tool_names") == "mul,add"


@pytest.mark.parametrize(("tools", "names"), [(None, "*"), ([], "-"), ([{"type": "code_interpreter"}], "-")])
async def test_without_tools_the_assistants_own_are_allowed_and_with_an_empty_list_none(
    twin, backend, tools, names
):
    handle = await twin.enqueue("asst", messages="hi", tools=tools)
    assert backend.sync.hget(backend.keys.run(handle.key), "tool_names") == names


@pytest.mark.parametrize("tool", ["fly", definition("fly")], ids=["name", "definition"])
async def test_a_tool_that_no_worker_serves_is_refused_listing_those_served(twin, backend, tool):
    serve(backend, "mul", "add")
    before = backend.dump()

    with pytest.raises(UnknownTool) as caught:
        await twin.enqueue("asst", messages="hi", tools=["add", tool])

    assert (caught.value.names, caught.value.served) == (("fly",), ("add", "mul"))
    assert [problem.path for problem in caught.value.problems] == ["tools"]
    assert "add, mul" in str(caught.value)
    assert backend.dump() == before


async def test_a_served_tool_can_be_offered_with_another_definition(twin, backend):
    serve(backend, "add")
    own = definition("add", description="adds")
    handle = await twin.enqueue("asst", messages="hi", tools=[own])

    assert (await twin.get(handle.key)).request.tools == (own,)
    assert backend.sync.hget(backend.keys.run(handle.key), "tool_names") == "add"


async def test_a_tool_that_was_just_published_is_found_by_reading_the_catalogue_once_more(
    twin, backend, monkeypatch
):
    reads = count_reads(monkeypatch)
    serve(backend, "add")
    await twin.enqueue("asst", messages="hi", tools=["add"])
    assert len(reads) == 1
    await twin.enqueue("asst", messages="hi", tools=["add"])
    assert len(reads) == 1

    serve(backend, "mul")
    await twin.enqueue("asst", messages="hi", tools=["mul"])
    assert len(reads) == 2
    with pytest.raises(UnknownTool):
        await twin.enqueue("asst", messages="hi", tools=["fly"])
    assert len(reads) == 3


async def test_the_catalogue_is_read_again_when_it_is_old(twin, backend, monkeypatch):
    reads = count_reads(monkeypatch)
    serve(backend, "add")
    await twin.enqueue("asst", messages="hi", tools=["add"])
    monkeypatch.setattr(catalogue_module, "FRESH_SECONDS", 0.0)
    serve(backend, "add", description="adds")

    handle = await twin.enqueue("asst", messages="hi", tools=["add"])
    assert (await twin.get(handle.key)).request.tools == (definition("add", description="adds"),)
    assert len(reads) >= 2


async def test_a_profile_that_no_worker_serves_is_refused_listing_those_served(twin, backend):
    serve(backend, profiles=["default", "azure"])
    before = backend.dump()

    with pytest.raises(UnknownProfile) as caught:
        await twin.enqueue("asst", messages="hi", profile="mistral")

    assert (caught.value.profile, caught.value.served) == ("mistral", ("azure", "default"))
    assert backend.dump() == before
    assert (await twin.enqueue("asst", messages="hi", profile="azure")).created


async def test_before_any_worker_was_ever_started_every_profile_is_accepted(twin):
    assert (await twin.enqueue("asst", messages="hi", profile="mistral")).created


async def test_read_only_mappings_and_tuples_are_as_good_as_dicts_and_lists(twin, backend):
    serve(backend)
    frozen = MappingProxyType({"type": "file_search", "file_search": MappingProxyType({"n": (1, 2)})})
    handle = await twin.enqueue(
        "asst", messages=("hi",), tools=(frozen,), metadata=MappingProxyType({"a": "b"})
    )

    request = (await twin.get(handle.key)).request
    assert request.tools == ({"type": "file_search", "file_search": {"n": [1, 2]}},)
    assert request.metadata == {"a": "b"}


async def test_what_a_caller_changes_later_does_not_reach_the_run(twin, backend):
    serve(backend)
    tools, metadata = [{"type": "file_search", "file_search": {"n": 1}}], {"a": "b"}
    handle = await twin.enqueue("asst", messages="hi", tools=tools, metadata=metadata)
    tools[0]["file_search"]["n"] = 2
    metadata["a"] = "c"

    request = (await twin.get(handle.key)).request
    assert (request.tools[0]["file_search"], request.metadata) == ({"n": 1}, {"a": "b"})


async def test_the_same_request_is_the_same_whatever_a_tools_name_stands_for_by_then(twin, backend):
    serve(backend, "add", description="old words")
    await twin.enqueue("asst", messages="hi", tools=["add"], idempotency_key="k")
    serve(backend, "add", description="new words")

    assert not (await twin.enqueue("asst", messages="hi", tools=["add"], idempotency_key="k")).created
    with pytest.raises(IdempotencyConflict):
        await twin.enqueue(
            "asst", messages="hi", tools=[definition("add", description="old words")], idempotency_key="k"
        )


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "ho"}, {"messages": ["hi", "hi"]}, {"thread_id": "t"}, {"model": "m"}, {"tools": []},
        {"metadata": {"a": "b"}}, {"temperature": 1}, {"deadline_seconds": 601}, {"on_done": "t"},
        {"thread_strategy": "reject"}, {"include": ["x"]}, {"profile": "azure"},
    ],
    ids=str,
)  # fmt: skip
async def test_whatever_differs_in_a_request_makes_it_another_one(twin, other):
    await twin.enqueue("asst", messages="hi", idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        await twin.enqueue("asst", **({"messages": "hi", "idempotency_key": "k"} | other))


async def test_another_spelling_of_the_same_request_is_the_same(twin):
    await twin.enqueue("asst", messages="hi", idempotency_key="k", metadata={"a": "1", "b": "2"})
    again = await twin.enqueue(
        "asst", messages=[{"content": "hi", "role": "user"}], idempotency_key="k",
        metadata={"b": "2", "a": "1"}, profile="default", deadline_seconds=600,
    )  # fmt: skip
    assert not again.created


async def test_a_busy_thread_and_a_conflict_are_told_to_either_caller(twin):
    await twin.enqueue("asst", thread_id="t", idempotency_key="k")
    with pytest.raises(ThreadBusy):
        await twin.enqueue("asst", thread_id="t", thread_strategy="reject")
    with pytest.raises(IdempotencyConflict):
        await twin.enqueue("asst", thread_id="t", idempotency_key="k", model="m")


async def test_the_stored_request_is_json_that_another_program_can_read(twin, backend):
    handle = await twin.enqueue("asst", messages="grüß dich", metadata={"a": "b"})
    stored = json.loads(backend.sync.hget(backend.keys.run(handle.key), "request"))

    assert stored["messages"] == [{"role": "user", "content": "grüß dich"}]
    assert (stored["assistant_id"], stored["metadata"], stored["profile"]) == ("asst", {"a": "b"}, "default")
    assert {"thread_id", "model"}.isdisjoint(stored)


async def test_the_served_tools_are_told(twin, backend):
    assert await twin.tools() == {}
    serve(backend, "mul", "add")
    tools = await twin.tools()
    assert list(tools) == ["add", "mul"]
    assert tools["add"]["definition"] == definition("add")
