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
from worker.decide.decision import Repair, SettingAside, Settlement
from worker.decide.interrupted import died, unknown
from worker.decide.rules import Rules
from worker.mend import quarantined, reopened, set_aside, settled
from worker.replace import replace
from worker.store.ledger import ROW_FIELDS, CallAddress, CallResult, Ledger, call_view, row_field
from worker.store.scripts import Scripts
from worker.store.writes import event_body
from worker.view import CallView

log = structlog.get_logger("threadrun.tool")

KILLED = "the child process was killed"

TRY_FOR_SECONDS = 60.0
"""How long to try while Redis does not answer; then the engine judges the call by its deadline."""


class LostChild:
    """Settle, in the parent, what a killed child had claimed."""

    def __init__(self, redis: Redis, keys: Keys, worker_id: str) -> None:
        self._redis = redis
        self._keys = keys
        self._worker_id = worker_id
        self._ledger = Ledger(keys, Scripts(redis, keys.prefix))

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
        # A child has one call in its hands at a time.
        alone = replace(call, alone=True)
        repair = unknown(call, ToolResultKind.TIMEOUT) if timed_out else died(alone, Rules())
        match repair:
            case Repair(settle=(settlement,)):
                return self._answer(at, settlement)
            case Repair(aside=(aside,)):
                return self._set_aside(at, aside)
            case _:
                return self._reopen(at, repair.reopen[0])

    def _answer(self, at: CallAddress, settlement: Settlement) -> str:
        call, kind = settlement.call, settlement.kind
        event, result = settled(at.round, settlement), CallResult(answer_for(kind), kind.value, KILLED)
        verdict: str
        verdict, left = self._ledger.settle(
            at,
            call.token,
            result,
            event_body(event),
            f"{call.token}.lost",
            worker_id=self._worker_id,
            after=call,
        )
        name = "tool.settled" if verdict == "settled" else "tool.settled_late"
        if verdict == "settled":
            self._log_quarantined(at, call)
        log.warning(name, run_key=at.run_key, verdict=verdict, **event.data)
        if verdict == "settled" and not left:
            log.info("run.outputs_ready", run_key=at.run_key, round=at.round)
        return verdict

    def _row(self, at: CallAddress, names: Sequence[str]) -> Sequence[str | None]:
        values: Any = self._redis.hmget(self._keys.calls(at.run_key), list(names))
        return list(values)

    def _reopen(self, at: CallAddress, call: CallView) -> str:
        event = reopened(at.round, call, "child_killed")
        done = self._ledger.reopen(
            at, call.token, 0, event_body(event), worker_id=self._worker_id, after=call
        )
        if not done:
            return "not_ours"
        log.warning(event.type, run_key=at.run_key, **event.data)
        return "reopened"

    def _set_aside(self, at: CallAddress, aside: SettingAside) -> str:
        event = set_aside(at.round, aside)
        done = self._ledger.set_aside(
            at, aside.call, aside.kind.value, KILLED, event_body(event), worker_id=self._worker_id
        )
        if not done:
            return "not_ours"
        self._log_quarantined(at, aside.call)
        log.warning(event.type, run_key=at.run_key, **event.data)
        return "set_aside"

    def _log_quarantined(self, at: CallAddress, call: CallView) -> None:
        if call.quarantined:
            event = quarantined(at.round, call)
            log.warning(event.type, run_key=at.run_key, **event.data)


def _lives(pid: int) -> bool:
    if pid == os.getpid():  # whoever asks has claimed nothing: an earlier child had the same id
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
