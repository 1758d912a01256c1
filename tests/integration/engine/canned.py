"""A server that answers each operation with what it was given, and keeps what it was sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from worker.providers import AssistantsProvider, ProfileConnection
from worker.providers.dialects import Dialect

RUN: dict[str, Any] = {"id": "run_1", "object": "thread.run", "thread_id": "t_1", "assistant_id": "asst"}
EMPTY: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@asynccontextmanager
async def answered_by(
    answer: Callable[[web.Request], Awaitable[web.Response]], dialect: Dialect | None = None
) -> AsyncIterator[AssistantsProvider]:
    """Give a provider whose every request is answered so, over HTTP."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    provider = AssistantsProvider(
        ProfileConnection("default", f"http://127.0.0.1:{port}/v1"), dialect=dialect
    )
    try:
        yield provider
    finally:
        await provider.close()
        await runner.cleanup()


class Canned:
    """Answer with the replies of an operation in their order; the last one stands.

    A reply is JSON, or text as it is to be sent, or a pair of a status and one of these.
    """

    def __init__(self, **replies: list[Any]) -> None:
        ended = {**RUN, "status": "completed", "usage": {"total_tokens": 1}}
        usual = {
            "create_thread": [{"id": "t_1"}],
            "create_run": [{**RUN, "status": "queued"}],
            "get_run": [ended],
        }
        self._replies = {**usual, **replies}
        self.sent: dict[str, list[tuple[dict[str, list[str]], bytes]]] = defaultdict(list)
        """By operation: the query and the body of each request."""

    async def answer(self, request: web.Request) -> web.Response:
        operation = self.operation(request.method, request.path.removeprefix("/v1/"))
        query = {name: request.query.getall(name) for name in request.query}
        self.sent[operation].append((query, await request.read()))
        replies = self._replies.get(operation, [EMPTY])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        status, body = reply if isinstance(reply, tuple) else (200, reply)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")

    @staticmethod
    def operation(method: str, path: str) -> str:
        match path.split("/"):
            case ["threads"]:
                return "create_thread"
            case ["threads", _, "runs"]:
                return "create_run" if method == "POST" else "list_runs"
            case ["threads", _, "runs", _]:
                return "get_run"
            case _:
                return path.rsplit("/", 1)[-1]
