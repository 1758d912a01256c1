"""The one way of every request: counted, authorized, performed, logged.

Nothing else touches the world, so whatever is to be told, delayed or broken about requests has one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from threadrun.request import RUN_KEY_METADATA
from threadrun.testing.effects import Effect
from threadrun.testing.exchange import ApiReply, ApiRequest, Operation
from threadrun.testing.refusals import RefusedError, unknown_url, wrong_method
from threadrun.testing.world import World


@dataclass(frozen=True, slots=True)
class Answer:
    """Carry what goes back over HTTP."""

    status: int
    """The HTTP status."""
    body: bytes
    """JSON."""
    headers: list[tuple[bytes, bytes]]
    """All header fields."""


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
            effect = self._effect(number, request, reply, refusal)
            world.log.append(effect)
        body = reply.body if isinstance(reply.body, bytes) else to_json(reply.body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", b"req_%032x" % number),
            *reply.headers,
        ]
        return Answer(effect.status, body, headers)

    def _perform(self, operations: Mapping[str, Operation], request: ApiRequest) -> ApiReply:
        self._world.dialect.authorize(request.headers, self._world.options.api_key)
        if not operations:
            raise unknown_url(request.method, request.path)
        operation = operations.get(request.method)
        if operation is None:
            raise wrong_method(request.method, request.path)
        return operation(self._world, request)

    def _effect(
        self, number: int, request: ApiRequest, reply: ApiReply, refusal: RefusedError | None
    ) -> Effect:
        world = self._world
        run = reply.run or world.runs.get(request.ids.get("run_id", ""))
        thread = reply.thread or world.threads.get(request.ids.get("thread_id", ""))
        keyed = run or thread
        return Effect(
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
            threadrun_key=keyed.metadata.get(RUN_KEY_METADATA) if keyed else None,
            client_request_id=request.headers.get(b"x-client-request-id", b"").decode("latin-1") or None,
        )
