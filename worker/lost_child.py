"""Settle the call of a child that was killed: the parent knows at once, nobody has to wait for a judgement."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from threadrun.keys import Keys
from threadrun.status import CallState
from threadrun.tools import ToolResultKind
from worker.decide.calls import answer_for
from worker.decide.decision import Event
from worker.decide.rules import Rules
from worker.store.ledger import ROW_FIELDS, CallAddress, CallResult, Ledger, call_view, row_field
from worker.store.scripts import Scripts
from worker.store.writes import event_body
from worker.view import CallView

log = structlog.get_logger("threadrun.tool")

TRY_FOR_SECONDS = 60.0
"""How long to try while Redis does not answer; then the engine judges the call by its deadline."""


class LostChild:
    """Settle, in the parent, what a killed child had claimed."""

    def __init__(self, redis: Redis, keys: Keys, worker_id: str) -> None:
        self._redis = redis
        self._keys = keys
        self._worker_id = worker_id
        self._ledger = Ledger(keys, Scripts(redis))

    def settle(self, at: CallAddress, pid: int, *, timed_out: bool) -> str:
        """Report a killed child's call: as timed out, to be run again if idempotent, or as unknown.

        A message can come twice: the child that was killed need not be the one that claimed the call.
        """
        give_up_at = time.monotonic() + TRY_FOR_SECONDS
        while True:
            try:
                return self._settle(at, pid, timed_out)
            except (RedisError, OSError):
                if time.monotonic() >= give_up_at:
                    return "left"
                time.sleep(1)

    def settle_if_gone(self, at: CallAddress) -> str:
        """Report the call if a child of this worker claimed it that is no more; for another child to ask."""
        names = [row_field(at.round, at.index, name) for name in ("worker", "pid")]
        worker, pid = self._redis.hmget(self._keys.calls(at.run_key), names)
        if worker != self._worker_id or not pid or _lives(int(pid)):
            return "not_ours"
        return self.settle(at, int(pid), timed_out=False)

    def _settle(self, at: CallAddress, pid: int, timed_out: bool) -> str:
        names = [row_field(at.round, at.index, name) for name in (*ROW_FIELDS, "pid")]
        *values, claimant_pid = self._row(at, names)
        if values[0] is None:
            return "unknown"
        call = call_view(at.index, values)
        ours = call.worker == self._worker_id and claimant_pid == str(pid)
        if call.state is not CallState.CLAIMED or not ours:
            return "not_ours"
        if not timed_out and call.idempotent and call.attempts < Rules().max_call_attempts:
            return self._reopen(at, call)
        kind = ToolResultKind.TIMEOUT if timed_out else ToolResultKind.UNKNOWN_OUTCOME
        data = {"round": at.round, "index": at.index, "kind": kind.value, "attempt": call.attempts}
        result = CallResult(answer_for(kind), kind.value, "the child process was killed")
        verdict: str
        body, op = event_body(Event("tool.settled", data)), f"{call.token}.lost"
        verdict, left = self._ledger.settle(at, call.token, result, body, op)
        name = "tool.settled" if verdict == "settled" else "tool.settled_late"
        log.warning(name, run_key=at.run_key, verdict=verdict, **data)
        if verdict == "settled" and not left:
            log.info("run.outputs_ready", run_key=at.run_key, round=at.round)
        return verdict

    def _row(self, at: CallAddress, names: Sequence[str]) -> Sequence[str | None]:
        values: Any = self._redis.hmget(self._keys.calls(at.run_key), list(names))
        return list(values)

    def _reopen(self, at: CallAddress, call: CallView) -> str:
        data = {"round": at.round, "index": at.index, "reason": "child_killed", "attempt": call.attempts}
        if not self._ledger.reopen(at, call.token, 0, event_body(Event("tool.reopened", data))):
            return "not_ours"
        log.warning("tool.reopened", run_key=at.run_key, **data)
        return "reopened"


def _lives(pid: int) -> bool:
    if pid == os.getpid():  # whoever asks has claimed nothing: an earlier child had the same id
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
