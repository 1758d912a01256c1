"""The HTTP face of the run server: one Starlette application whose every path goes through the gateway."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from threadrun.testing import runs, threads
from threadrun.testing.answer import Delivery
from threadrun.testing.control import control_routes
from threadrun.testing.deliver import deliver
from threadrun.testing.exchange import ApiRequest, Operation
from threadrun.testing.gateway import Gateway
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
        if answer.delivery is not Delivery.WHOLE:
            await deliver(answer, scope, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.all_headers()})
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
