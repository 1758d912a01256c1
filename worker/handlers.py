"""Run one tool call in a child process: claim it, enter its handler, settle its output."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
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
from worker.store.ledger import (
    CallAddress,
    CallClaim,
    CallResult,
    ClaimedCall,
    Ledger,
    call_claim,
    claimed_call,
)
from worker.store.scripts import Scripts
from worker.store.writes import event_body

log = structlog.get_logger("threadrun.tool")

SETTLE_PAUSE_SECONDS = 0.5
"""How long to wait before settling is tried again while Redis does not answer."""

SETTLE_GRACE_SECONDS = 8.0
"""How long after a claim's deadline settling is still tried: shortly before Celery kills the child."""

_RETRIED = frozenset({ToolResultKind.EXCEPTION, ToolResultKind.TIMEOUT})


@dataclass(frozen=True, slots=True)
class _Held:
    """What a child holds of the call that it runs."""

    claim: CallClaim
    call: ClaimedCall
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
        self._served_ms = {tool.name: round(tool.timeout_seconds * 1000) for tool in registry}
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
        token = uuid.uuid4().hex
        event = event_body(Event("tool.claimed", {**_place(at), "worker": self._worker_id}))
        answer: Any = self._ledger.claim(
            at, token, self._worker_id, os.getpid(), self._served_ms, event, hard_limit_seconds
        )
        claim, name = call_claim(answer), str(answer[4])
        tool = self._registry.get(name)
        if claim.verdict != "yes" or tool is None:
            return self._not_claimed(at, claim.verdict, name)
        held = _Held(claim, claimed_call(answer), token, RedisClock(claim.now_ms))
        self._log_claimed(at, tool, held)
        return self._conclude(at, tool, held, self._run(at, tool, held))

    def _not_claimed(self, at: CallAddress, verdict: str, tool: str) -> str:
        match verdict:
            case "unknown":
                log.warning("tool.refused_unknown", run_key=at.run_key[:128], round=at.round, index=at.index)
            case "refused":
                log.warning("tool.refused_limit", run_key=at.run_key, round=at.round, index=at.index)
            case "not_served_here":
                log.warning("tool.not_served_here", run_key=at.run_key, **_place(at), tool=tool[:64])
                self._ledger.pass_on(at)
            case _:
                log.info("tool.not_claimed", run_key=at.run_key, tool=tool, verdict=verdict, index=at.index)
        if verdict == "taken":
            # Celery gives the message of a child that died before it was heard of to the next child, and
            # reports no failure.
            self._lost_child.settle_if_gone(at)
        return verdict

    def _log_claimed(self, at: CallAddress, tool: Tool, held: _Held) -> None:
        log.info(
            "tool.claimed",
            run_key=at.run_key,
            run_id=held.call.run_id,
            **_place(at),
            tool=tool.name,
            attempt=held.claim.attempt,
            worker=self._worker_id,
        )

    def _run(self, at: CallAddress, tool: Tool, held: _Held) -> ToolResult:
        row, claim, clock = held.call, held.claim, held.clock
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

    def _conclude(self, at: CallAddress, tool: Tool, held: _Held, result: ToolResult) -> str:
        if result.error and result.kind in {ToolResultKind.EXCEPTION, ToolResultKind.UNSERIALISABLE}:
            log.error(
                "tool.failed",
                run_key=at.run_key,
                run_id=held.call.run_id,
                **_place(at),
                tool=tool.name,
                attempt=held.claim.attempt,
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
        log.info(name, run_key=at.run_key, run_id=held.call.run_id, verdict=verdict, **data)
        if verdict == "settled" and not left:
            log.info("run.outputs_ready", run_key=at.run_key, run_id=held.call.run_id, round=at.round)
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
