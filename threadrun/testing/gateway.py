"""The one way of every request: counted, authorized, performed, logged.

Nothing else touches the world, so whatever is to be told, delayed or broken about requests has one place.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import to_json

from threadrun.request import RUN_KEY_METADATA
from threadrun.testing.answer import Answer
from threadrun.testing.effects import Effect
from threadrun.testing.exchange import ApiReply, ApiRequest, Operation
from threadrun.testing.fault_kinds import OPERATIONS, SHOWN_BY_THE_WORLD, Fault
from threadrun.testing.fault_rule import FaultRule
from threadrun.testing.past import PastWorld, WorldBeforeSubmit
from threadrun.testing.refusals import RefusedError, unknown_url, wrong_method
from threadrun.testing.run_key import run_key_of
from threadrun.testing.spoil import spoil
from threadrun.testing.world import World

PREVENTED = "prevented"
"""The effect of a request that met a fault before its own."""


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
            rule = self._rule(operations, request)
            refusal = None
            try:
                reply = self._perform(operations, request, rule)
            except RefusedError as error:
                refusal = error
                reply = ApiReply("refused", world.dialect.error(error))
            sound = _render(number, reply, refusal)
            sent = sound if rule is None else spoil(sound, rule)
            effect = self._effect(
                number, request, reply, refusal, sent.status, _met(rule, sound, sent, reply)
            )
            world.log.append(effect)
        return sent

    def _rule(self, operations: Mapping[str, Operation], request: ApiRequest) -> FaultRule | None:
        plan, operation = self._world.faults, operations.get(request.method)
        name = OPERATIONS.get(operation.__name__) if operation else None
        if plan is None or name is None:
            return None
        return plan.choose(name, run_key_of(self._world, request) if plan.asks_for_run_keys else None)

    def _perform(
        self, operations: Mapping[str, Operation], request: ApiRequest, rule: FaultRule | None
    ) -> ApiReply:
        if rule is not None and rule.comes_before:
            return ApiReply(PREVENTED, {})
        query = request.query_string.decode("latin-1")
        self._world.dialect.authorize(request.headers, query, self._world.options.api_key)
        if not operations:
            raise unknown_url(request.method, request.path)
        operation = operations.get(request.method)
        if operation is None:
            raise wrong_method(request.method, request.path)
        reply = operation(_shown(self._world, rule), request)
        if rule is not None and rule.fault is Fault.REGRESSION and _cancelled(reply) and reply.run:
            reply.run.regress_seconds = rule.seconds
        return reply

    def _effect(
        self,
        number: int,
        request: ApiRequest,
        reply: ApiReply,
        refusal: RefusedError | None,
        status: int,
        fault: Fault | None,
    ) -> Effect:
        world = self._world
        run = reply.run or world.runs.get(request.ids.get("run_id", ""))
        thread = reply.thread or world.threads.get(request.ids.get("thread_id", ""))
        keyed = run or thread
        kept = keyed.metadata.get(RUN_KEY_METADATA) if keyed else None
        return Effect(
            number=number,
            time=world.clock.now(),
            method=request.method,
            path=request.path,
            status=status,
            effect=reply.effect,
            code=refusal.name if refusal else None,
            thread_id=thread.id if thread else request.ids.get("thread_id"),
            run_id=run.id if run else request.ids.get("run_id"),
            run_status=run.status if run else None,
            threadrun_key=run_key_of(world, request) if reply.effect == PREVENTED else kept,
            client_request_id=request.headers.get(b"x-client-request-id", b"").decode("latin-1") or None,
            fault=fault,
        )


def _shown(world: World, rule: FaultRule | None) -> World:
    if rule is not None and rule.fault is Fault.STALE_READ:
        return PastWorld(world, rule.seconds)
    if rule is not None and rule.fault is Fault.STALE_REQUIRED_ACTION:
        return WorldBeforeSubmit(world, rule.seconds)
    return world


def _cancelled(reply: ApiReply) -> bool:
    return reply.effect == "run.cancelled"


def _render(number: int, reply: ApiReply, refusal: RefusedError | None) -> Answer:
    body = reply.body if isinstance(reply.body, bytes) else to_json(reply.body)
    request_id = (b"x-request-id", b"req_%032x" % number)
    return Answer(refusal.status if refusal else 200, body, [request_id, *reply.headers])


def _met(rule: FaultRule | None, sound: Answer, sent: Answer, reply: ApiReply) -> Fault | None:
    """Name the fault that a request met; none, where the rule's did not apply to it."""
    if rule is None or (rule.fault is Fault.REGRESSION and not _cancelled(reply)):
        return None
    return rule.fault if sent is not sound or rule.fault in SHOWN_BY_THE_WORLD else None
