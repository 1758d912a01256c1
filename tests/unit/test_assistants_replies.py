"""What the provider answers the engine for everything that a server can say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from tests.unit.raw_server import Peer, Script, answering, raw_server
from threadrun.models import Run
from threadrun.request import RunRequest
from worker.providers import (
    AssistantsProvider,
    No,
    ProfileConnection,
    Refusal,
    Reply,
    ToolOutput,
    Unknown,
    Yes,
)

KEY = "sk-very-secret"
REQUEST = RunRequest(assistant_id="asst_1", thread_id="thread_1")
RUN = {
    "id": "run_1",
    "object": "thread.run",
    "thread_id": "thread_1",
    "assistant_id": "asst_1",
    "status": "queued",
}


def error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()


@asynccontextmanager
async def provider(script: Script, deadline_seconds: float = 5.0) -> AsyncIterator[AssistantsProvider]:
    async with raw_server(script) as server:
        connection = ProfileConnection(
            "default", server.url, SecretStr(KEY), request_deadline_seconds=deadline_seconds
        )
        opened = AssistantsProvider(connection)
        try:
            yield opened
        finally:
            await opened.close()


async def get(script: Script, deadline_seconds: float = 5.0) -> Reply[Run]:
    async with provider(script, deadline_seconds) as opened:
        return await opened.get_run("thread_1", "run_1")


async def test_a_run_that_came_is_a_yes_with_its_headers() -> None:
    headers = "x-request-id: req_1\r\nopenai-poll-after-ms: 700\r\nset-cookie: secret=1\r\nserver: x\r\n"
    reply = await get(answering(json.dumps(RUN).encode(), headers=headers))
    assert isinstance(reply, Yes)
    assert (reply.value.id, reply.value.status, reply.poll_after_seconds) == ("run_1", "queued", 0.7)
    assert (reply.answer.http_status, reply.answer.reason, reply.answer.error) == (200, "OK", None)
    assert reply.answer.headers == {"x-request-id": "req_1", "openai-poll-after-ms": "700"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b"[" * 5_000,
        b'{"id": ""}',
        json.dumps({**RUN, "id": None}).encode(),
        json.dumps({**RUN, "id": "run_2"}).encode(),
        json.dumps(RUN).encode()[:-1],
        error("said with 200"),
    ],
)
@pytest.mark.parametrize("ask", ["get_run", "cancel_run"])
async def test_a_2xx_that_is_not_the_run_is_unknown(ask: str, body: bytes) -> None:
    async with provider(answering(body)) as opened:
        reply = await getattr(opened, ask)("thread_1", "run_1")
    assert isinstance(reply, Unknown)
    assert (reply.reason, reply.answer.http_status) == ("bad_body", 200)


@pytest.mark.parametrize("unusable", ["", None, 7, "a\nb", "..", "x" * 600])
async def test_a_created_thread_or_run_without_a_usable_id_is_unknown(unusable: Any) -> None:
    async with provider(answering(json.dumps({**RUN, "id": unusable}).encode())) as opened:
        replies: list[Any] = [
            await opened.create_thread(REQUEST, run_key="k"),
            await opened.create_run("thread_1", REQUEST, run_key="k"),
        ]
    assert [(type(reply), reply.reason) for reply in replies] == [(Unknown, "bad_body")] * 2


@pytest.mark.parametrize("body", [b"{}", b'{"data": {}}', b"[]", b'{"data": [7]}'])
async def test_a_list_without_its_entries_is_never_taken_for_an_empty_one(body: bytes) -> None:
    async with provider(answering(body)) as opened:
        replies: list[Any] = [
            await opened.list_runs("thread_1"),
            await opened.list_steps("thread_1", "run_1"),
            await opened.list_messages("thread_1", "run_1"),
        ]
    assert [(type(reply), reply.reason) for reply in replies] == [(Unknown, "bad_body")] * 3


async def test_no_content_is_unknown() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    reply = await get(script)
    assert isinstance(reply, Unknown)
    assert reply.reason == "bad_body"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("302 Found", "redirect"),
        ("304 Not Modified", "redirect"),
        ("408 Request Timeout", "timeout"),
        ("409 Conflict", "conflict"),
        ("500 Internal Server Error", "server_error"),
        ("503 Service Unavailable", "server_error"),
        ("599 Odd", "server_error"),
        ("999 Odder", "server_error"),
    ],
)
async def test_a_status_that_leaves_the_effect_open_is_unknown(status: str, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            f"HTTP/1.1 {status}\r\nlocation: /x\r\nretry-after: 3\r\nconnection: close\r\n\r\n".encode()
        )

    reply = await get(script)
    assert isinstance(reply, Unknown)
    assert (reply.reason, reply.retry_after_seconds) == (reason, 3.0)
    assert reply.answer.http_status == int(status[:3])


@pytest.mark.parametrize(
    ("status", "message", "refusal", "blocking_run_id"),
    [
        ("400 Bad Request", "Thread thread_1 already has an active run run_y.", Refusal.BUSY_THREAD, "run_y"),
        ("400 Bad Request", "Cannot cancel run with status 'completed'.", Refusal.WRONG_STATUS, None),
        ("400 Bad Request", "Invalid 'instructions'", Refusal.INVALID, None),
        ("401 Unauthorized", "Incorrect API key", Refusal.UNAUTHORIZED, None),
        ("404 Not Found", "No run found with id 'run_1'.", Refusal.NOT_FOUND, None),
        ("429 Too Many Requests", "Try again in 2 seconds.", Refusal.RATE_LIMITED, None),
    ],
)
async def test_a_refusal_is_a_no_with_what_was_said(
    status: str, message: str, refusal: Refusal, blocking_run_id: str | None
) -> None:
    reply = await get(answering(error(message), status))
    assert isinstance(reply, No)
    assert (reply.refusal, reply.blocking_run_id) == (refusal, blocking_run_id)
    assert reply.retry_after_seconds == (2.0 if refusal is Refusal.RATE_LIMITED else None)
    assert reply.answer.http_status == int(status[:3])
    assert reply.answer.error is not None
    assert reply.answer.error["message"] == message


async def test_a_refusal_whose_body_is_lost_is_still_a_no() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 429 Too Many Requests\r\nretry-after-ms: 1500\r\ncontent-length: 100\r\n\r\n{"
        )

    reply = await get(script)
    assert isinstance(reply, No)
    assert (reply.refusal, reply.retry_after_seconds) == (Refusal.RATE_LIMITED, 1.5)


async def test_a_yes_whose_body_is_lost_is_unknown() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")

    reply = await get(script)
    assert isinstance(reply, Unknown)
    assert (reply.reason, reply.answer.http_status) == ("connection_lost", 200)


async def test_a_server_that_is_away_is_a_no_that_was_never_sent() -> None:
    async with raw_server(answering(b"")) as server:
        gone = server.url
    opened = AssistantsProvider(ProfileConnection("default", gone))
    reply = await opened.get_run("thread_1", "run_1")
    await opened.close()
    assert isinstance(reply, No)
    assert reply.refusal is Refusal.NEVER_SENT
    assert reply.answer.http_status is None
    assert reply.answer.reason.startswith("refused: ")


async def test_a_hang_up_is_unknown() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    reply = await get(script)
    assert isinstance(reply, Unknown)
    assert (reply.reason, reply.answer.http_status) == ("connection_lost", None)


async def test_a_silent_server_is_unknown_at_the_profiles_deadline() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.reader.read()

    reply = await get(script, deadline_seconds=0.1)
    assert isinstance(reply, Unknown)
    assert reply.reason == "timeout"


async def test_the_key_is_never_repeated_even_if_the_server_does() -> None:
    reply = await get(answering(error(f"Incorrect API key provided: {KEY}."), "401 Unauthorized"))
    assert isinstance(reply, No)
    assert KEY not in repr(reply)
    assert "provided: ***." in repr(reply)


async def test_long_and_many_headers_are_cut() -> None:
    headers = "x-request-id: " + "r" * 1_000 + "\r\n" + "".join(f"x-ratelimit-{n}: 1\r\n" for n in range(60))
    reply = await get(answering(json.dumps(RUN).encode(), headers=headers))
    assert isinstance(reply, Yes)
    assert len(reply.answer.headers) == 40
    assert len(reply.answer.headers["x-request-id"]) == 200


@pytest.mark.parametrize("bad", ["", ".", "..", "a\nb", "a\0", "a\u200eb", "\ud800", "x" * 600])
async def test_an_id_that_no_path_can_carry_is_refused_before_sending(bad: str) -> None:
    async def script(peer: Peer) -> None:
        raise AssertionError("a connection was made")

    async with provider(script) as opened:
        replies: list[Any] = [
            await opened.create_run(bad, REQUEST, run_key="k"),
            await opened.get_run("thread_1", bad),
            await opened.submit_tool_outputs(bad, "run_1", [ToolOutput("call_1", "x")]),
        ]
    assert [(type(reply), reply.refusal) for reply in replies] == [(No, Refusal.INVALID)] * 3
    assert all("not sent" in reply.answer.reason for reply in replies)
