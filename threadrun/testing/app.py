"""The HTTP face of the run server: one Starlette application, one way for every request.

Every request goes through `Gateway.answer`: count it, authorize it, perform it, log its effect. Nothing else
touches the world, so whatever is to be told, delayed or broken about requests has one place to be done in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from threadrun.request import RUN_KEY_METADATA
from threadrun.testing import runs, threads
from threadrun.testing.control import control_routes
from threadrun.testing.effects import Effect
from threadrun.testing.exchange import ApiReply, ApiRequest, Operation
from threadrun.testing.refusals import RefusedError, unknown_url, wrong_method
from threadrun.testing.world import World

# The order counts: polls come first because they are most, and `/threads/runs` before `/threads/{thread_id}`.
OPERATIONS: dict[str, dict[str, Operation]] = {
    "/threads/{thread_id}/runs/{run_id}": {"GET": runs.read_run, "POST": runs.modify_run},
    "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs": {"POST": runs.submit_tool_outputs},
    "/threads/{thread_id}/runs/{run_id}/cancel": {"POST": runs.cancel_run},
    "/threads/{thread_id}/runs/{run_id}/steps": {"GET": runs.list_steps},
    "/threads/{thread_id}/runs/{run_id}/steps/{step_id}": {"GET": runs.read_step},
    "/threads/{thread_id}/runs": {"GET": runs.list_runs, "POST": runs.create_run},
    "/threads/{thread_id}/messages": {"GET": threads.list_messages, "POST": threads.create_message},
    "/threads/{thread_id}/messages/{message_id}": {
        "GET": threads.read_message,
        "POST": threads.modify_message,
    },
    "/threads": {"POST": threads.create_thread},
    "/threads/runs": {"POST": runs.create_thread_and_run},
    "/threads/{thread_id}": {
        "GET": threads.read_thread,
        "POST": threads.modify_thread,
        "DELETE": threads.delete_thread,
    },
    "/assistants": {"GET": threads.list_assistants, "POST": threads.create_assistant},
    "/assistants/{assistant_id}": {"GET": threads.read_assistant},
}
"""Every path of the wire under the dialect's prefix, and what its methods do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Carry what goes back over HTTP."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


class Gateway:
    """Answer requests, one at a time, each with its entry in the effect log."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, operations: Mapping[str, Operation], request: ApiRequest) -> Answer:
        """Perform one request and log what it did."""
        world = self._world
        with world.lock:
            world.forget_old()
            number = world.log.next_number()
            refusal = None
            try:
                reply = self._perform(operations, request)
            except RefusedError as error:
                refusal = error
                reply = ApiReply("refused", world.dialect.error(error))
            status = refusal.status if refusal else 200
            self._log(number, request, reply, refusal)
        body = reply.body if isinstance(reply.body, bytes) else to_json(reply.body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", b"req_%032x" % number),
            *reply.headers,
        ]
        return Answer(status, body, headers)

    def _perform(self, operations: Mapping[str, Operation], request: ApiRequest) -> ApiReply:
        self._world.dialect.authorize(request.headers, self._world.options.api_key)
        if not operations:
            raise unknown_url(request.method, request.path)
        operation = operations.get(request.method)
        if operation is None:
            raise wrong_method(request.method, request.path)
        return operation(self._world, request)

    def _log(self, number: int, request: ApiRequest, reply: ApiReply, refusal: RefusedError | None) -> None:
        world = self._world
        run = reply.run or world.runs.get(request.ids.get("run_id", ""))
        thread = reply.thread or world.threads.get(request.ids.get("thread_id", ""))
        told = run or thread
        world.log.append(
            Effect(
                number=number,
                time=world.clock.now(),
                method=request.method,
                path=request.path,
                status=refusal.status if refusal else 200,
                effect=reply.effect,
                code=refusal.name if refusal else None,
                thread_id=thread.id if thread else request.ids.get("thread_id"),
                run_id=run.id if run else request.ids.get("run_id"),
                run_status=run.status if run else None,
                threadrun_key=told.metadata.get(RUN_KEY_METADATA) if told else None,
                client_request_id=request.headers.get(b"x-client-request-id", b"").decode("latin-1") or None,
            )
        )


class Endpoint:
    """Serve one path over ASGI."""

    def __init__(self, gateway: Gateway, operations: Mapping[str, Operation]) -> None:
        self._gateway = gateway
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request, have it answered, send the answer."""
        request = ApiRequest(
            method=scope["method"],
            path=scope["path"],
            ids=scope["path_params"],
            headers=dict(scope["headers"]),
            query_string=scope["query_string"],
            body=b"" if scope["method"] == "GET" else await _read_body(receive),
        )
        answer = self._gateway.answer(self._operations, request)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


def build_app(world: World) -> Starlette:
    """Build the application that serves a world."""
    gateway = Gateway(world)
    prefix = world.dialect.prefix
    api = [Route(prefix + path, Endpoint(gateway, operations)) for path, operations in OPERATIONS.items()]
    elsewhere = Route("/{path:path}", Endpoint(gateway, {}))
    return Starlette(routes=[*api, *control_routes(world), elsewhere])


async def _read_body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
