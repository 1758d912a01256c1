"""Ids that a server hands out are believed only if they look like ids; a caller's own may look like anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.raw_server import answering
from tests.unit.test_assistants_replies import REQUEST, RUN, error, provider
from worker.providers import No, Refusal, Unknown, Yes
from worker.providers.ids import MAX_CALL_ID_CHARACTERS

HOSTILE = [
    "", ".", "..", "run/1", "run\\1", "../threads", "run%2f1", "run?x=1", "run#1", "run 1", "run\n1", "run\x001",
    "run\x1b[31m", "<b>run</b>", "run&1", "r\u00fcn", "run\u202e1", "x" * 257,
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
async def test_a_thread_or_run_under_a_hostile_id_is_unreadable(hostile: str) -> None:
    async with provider(answering(json.dumps({**RUN, "id": hostile}).encode())) as opened:
        replies: list[Any] = [
            await opened.create_thread(REQUEST, run_key="k"),
            await opened.create_run("thread_1", REQUEST, run_key="k"),
        ]
    assert [(type(reply), reply.reason) for reply in replies] == [(Unknown, "bad_body")] * 2


@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
async def test_a_page_with_a_hostile_id_or_cursor_is_unreadable(hostile: str) -> None:
    entry = json.dumps({"data": [RUN, {**RUN, "id": hostile}]}).encode()
    cursor = json.dumps({"data": [RUN], "has_more": True, "last_id": hostile}).encode()
    for body in [entry, cursor][: 1 + bool(hostile)]:  # an empty cursor is none
        async with provider(answering(body)) as opened:
            replies: list[Any] = [
                await opened.list_runs("thread_1"),
                await opened.list_steps("thread_1", "run_1"),
                await opened.list_messages("thread_1", "run_1"),
            ]
        assert [(type(reply), reply.reason) for reply in replies] == [(Unknown, "bad_body")] * 3


@pytest.mark.parametrize(
    "plain", ["run_abc", "5f0c9b1e-7a1d-4e5f-9b7a-1c2d3e4f5a6b", "a.b~c:d@e=f+g", "x" * 256]
)
async def test_ids_as_servers_make_them_are_read(plain: str) -> None:
    async with provider(answering(json.dumps({**RUN, "id": plain}).encode())) as opened:
        reply = await opened.create_run("thread_1", REQUEST, run_key="k")
    assert isinstance(reply, Yes)
    assert reply.value.id == plain


def asking(call_id: str) -> bytes:
    call = {"id": call_id, "type": "function", "function": {"name": "add", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    return json.dumps({**RUN, "status": "requires_action", "required_action": action}).encode()


@pytest.mark.parametrize("odd", ["", "call/1", "call\x1b[2J", "<script>", "x" * MAX_CALL_ID_CHARACTERS])
async def test_a_tool_calls_id_goes_back_as_it_came_whatever_it_holds(odd: str) -> None:
    async with provider(answering(asking(odd))) as opened:
        reply = await opened.get_run("thread_1", "run_1")
    assert isinstance(reply, Yes)
    assert reply.value.required_calls[0].id == odd


async def test_a_tool_calls_id_without_end_makes_the_run_unreadable() -> None:
    async with provider(answering(asking("x" * (MAX_CALL_ID_CHARACTERS + 1)))) as opened:
        reply = await opened.get_run("thread_1", "run_1")
    assert isinstance(reply, Unknown)


async def test_a_run_in_the_way_is_named_only_by_an_id() -> None:
    body = error("Thread thread_1 already has an active run ../../admin.")
    async with provider(answering(body, "400 Bad Request")) as opened:
        reply = await opened.create_run("thread_1", REQUEST, run_key="k")
    assert isinstance(reply, No)
    assert (reply.refusal, reply.blocking_run_id) == (Refusal.BUSY_THREAD, None)
