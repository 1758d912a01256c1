"""Run one tool call in a child process: claim it, enter its handler, settle its output."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from threadrun.errors import StoreUnavailable
from threadrun.keys import Keys
from threadrun.records import utc
from threadrun.tools import Tool, ToolContext, ToolRegistry, ToolResult, ToolResultKind, ToolTimeout
from threadrun.tools.failures import timed_out
from worker.alarm import alarm_after
from worker.decide.decision import Event
from worker.lost_child import LostChild
from worker.redis_clock import RedisClock
from worker.store.ledger import CallAddress, CallClaim, CallResult, Ledger, call_claim, row_field
from worker.store.scripts import Scripts
from worker.store.writes import event_body

log = structlog.get_logger("threadrun.tool")

SETTLE_PAUSE_SECONDS = 0.5
"""How long to wait before settling is tried again while Redis does not answer."""

SETTLE_GRACE_SECONDS = 8.0
"""How long after a claim's deadline settling is still tried: shortly before Celery kills the child."""

_RETRIED = frozenset({ToolResultKind.EXCEPTION, ToolResultKind.TIMEOUT})
_CALL_FIELDS = ("tool", "tool_call_id", "arguments", "attempts", "timeout_seconds")


@dataclass(frozen=True, slots=True)
class CallRow:
    """What a child reads of a call before it claims it."""

    tool: str
    tool_call_id: str
    arguments: str
    attempts: int
    timeout_seconds: float
    run_id: str
    thread_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Held:
    """What a child holds of the call that it runs."""

    claim: CallClaim
    token: str
    clock: RedisClock
    """Started at the claim: its deadline is on Redis's clock."""


class HandlerRuntime:
    """Serve tool calls in one child; it has its own Redis connections and event loop."""

    def __init__(self, redis: Redis, keys: Keys, worker_id: str, registry: ToolRegistry) -> None:
        self._redis = redis
        self._keys = keys
        self._worker_id = worker_id
        self._registry = registry
        self._ledger = Ledger(keys, Scripts(redis, keys.prefix))
        self._lost_child = LostChild(redis, keys, worker_id)
        self._runner = asyncio.Runner()

    def execute(self, at: CallAddress, hard_limit_seconds: float | None = None) -> str:
        """Serve a message; gives one word about what became of it.

        A message is only a hint: a call that is not pending in the ledger is not run, whoever sent it.

        Args:
            at: Which call it names.
            hard_limit_seconds: After how long this child will be killed, as the message says; none: never.
        """
        row = self._read(at)
        if row is None:
            log.warning("tool.refused_unknown", run_key=at.run_key[:128], round=at.round, index=at.index)
            return "unknown"
        if hard_limit_seconds is not None and hard_limit_seconds < row.timeout_seconds:
            log.warning("tool.refused_limit", run_key=at.run_key, round=at.round, index=at.index)
            return "refused"
        tool = self._registry.get(row.tool)
        if tool is None:
            log.warning("tool.not_served_here", run_key=at.run_key, tool=row.tool[:64], index=at.index)
            return "not_served_here"
        token = uuid.uuid4().hex
        claim = self._claim(at, tool, row, token)
        if claim.verdict != "yes":
            log.info(
                "tool.not_claimed", run_key=at.run_key, tool=tool.name, verdict=claim.verdict, index=at.index
            )
            if claim.verdict == "taken":
                # Celery gives the message of a child that died before it was heard of to the next child, and
                # reports no failure.
                self._lost_child.settle_if_gone(at)
            return claim.verdict
        clock = RedisClock(claim.now_ms)
        result = self._run(at, tool, row, claim, clock)
        return self._conclude(at, tool, row, _Held(claim, token, clock), result)

    def _read(self, at: CallAddress) -> CallRow | None:
        names = [row_field(at.round, at.index, name) for name in _CALL_FIELDS]
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.calls(at.run_key), names)
        pipe.hmget(self._keys.run(at.run_key), ["run_id", "thread_id", "request"])
        (tool, call_id, arguments, attempts, limit), (run_id, thread_id, request) = pipe.execute()
        if tool is None:
            return None
        metadata = json.loads(request or "{}").get("metadata") or {}
        return CallRow(
            tool, call_id or "", arguments or "", int(attempts or 0), float(limit or 0), run_id or "",
            thread_id or "", metadata,
        )  # fmt: skip

    def _claim(self, at: CallAddress, tool: Tool, row: CallRow, token: str) -> CallClaim:
        attempt = row.attempts + 1
        event = Event(
            "tool.claimed", {**_place(at), "tool": tool.name, "attempt": attempt, "worker": self._worker_id}
        )
        limit_ms = round(tool.timeout_seconds * 1000)
        answer: Any = self._ledger.claim(at, token, self._worker_id, os.getpid(), limit_ms, event_body(event))
        claim = call_claim(answer)
        if claim.verdict == "yes":
            log.info("tool.claimed", run_key=at.run_key, run_id=row.run_id, **event.data)
        return claim

    def _run(
        self, at: CallAddress, tool: Tool, row: CallRow, claim: CallClaim, clock: RedisClock
    ) -> ToolResult:
        bound = log.bind(run_key=at.run_key, run_id=row.run_id, thread_id=row.thread_id, tool=tool.name)
        context = ToolContext(
            run_key=at.run_key,
            run_id=row.run_id,
            thread_id=row.thread_id,
            tool_call_id=row.tool_call_id,
            attempt=claim.attempt,
            deadline=utc(claim.deadline_ms),
            idempotency_key=f"{at.run_key}:{at.round}:{at.index}",
            metadata=row.metadata,
            log=bound,
            ask_cancelled=lambda: self._cancelled(at),
            clock=lambda: utc(clock.now_ms()),
        )
        seconds = (claim.deadline_ms - clock.now_ms()) / 1000
        return _interrupted_after(seconds, lambda: tool.call(row.arguments, context, runner=self._runner))

    def _cancelled(self, at: CallAddress) -> bool:
        try:
            wish, stage = self._redis.hmget(self._keys.run(at.run_key), ["cancel_ms", "stage"])
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return bool(wish) or stage != "tools"

    def _conclude(self, at: CallAddress, tool: Tool, row: CallRow, held: _Held, result: ToolResult) -> str:
        if result.error and result.kind in {ToolResultKind.EXCEPTION, ToolResultKind.UNSERIALISABLE}:
            log.error(
                "tool.failed",
                run_key=at.run_key,
                tool=tool.name,
                reference=result.reference,
                places=result.places,
            )
        if result.kind in _RETRIED and held.claim.attempt <= tool.retries:
            return self._reopen(at, tool, held, result)
        data = {**_place(at), "tool": tool.name, "kind": result.kind.value, "attempt": held.claim.attempt}
        settled = CallResult(result.output, result.kind.value, result.error or "")
        verdict, left = self._until_redis_answers(
            held,
            lambda: self._ledger.settle(
                at,
                held.token,
                settled,
                event_body(Event("tool.settled", data)),
                held.token,
                worker_id=self._worker_id,
            ),
        )
        name = "tool.settled" if verdict == "settled" else "tool.settled_late"
        log.info(name, run_key=at.run_key, run_id=row.run_id, verdict=verdict, **data)
        if verdict == "settled" and not left:
            log.info("run.outputs_ready", run_key=at.run_key, run_id=row.run_id, round=at.round)
        return str(verdict)

    def _reopen(self, at: CallAddress, tool: Tool, held: _Held, result: ToolResult) -> str:
        delay_ms = 1000 * 2 ** min(held.claim.attempt - 1, 6)
        data = {**_place(at), "tool": tool.name, "reason": result.kind.value, "attempt": held.claim.attempt}
        body = event_body(Event("tool.reopened", data))
        done = self._until_redis_answers(
            held, lambda: self._ledger.reopen(at, held.token, delay_ms, body, worker_id=self._worker_id)
        )
        if not done:
            log.info("tool.settled_late", run_key=at.run_key, verdict="late", **data)
            return "late"
        log.info("tool.reopened", run_key=at.run_key, delay_ms=delay_ms, **data)
        return "reopened"

    def _until_redis_answers(self, held: _Held, write: Any) -> Any:
        """Repeat a write until Redis answers, or until nobody would wait for it any more."""
        give_up_at_ms = held.claim.deadline_ms + SETTLE_GRACE_SECONDS * 1000
        while True:
            try:
                return write()
            except (RedisError, OSError):
                if held.clock.now_ms() >= give_up_at_ms:
                    raise
                time.sleep(SETTLE_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the loop and the connections."""
        self._runner.close()
        self._redis.close()


def _interrupted_after(seconds: float, call: Callable[[], ToolResult]) -> ToolResult:
    ended: list[ToolResult] = []
    try:
        with alarm_after(seconds):
            ended.append(call())
    except ToolTimeout as late:  # it came when the handler had ended and the alarm was not yet taken back
        return ended[0] if ended else timed_out(late)
    return ended[0]


def _place(at: CallAddress) -> dict[str, int]:
    return {"round": at.round, "index": at.index}
