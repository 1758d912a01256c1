"""Mend calls whose handlers will not report: answer them, have them run again, or set them aside.

The engine awaits what it does here; a tools worker's parent, which sees its own children die, does the same at once.
"""

from __future__ import annotations

from typing import Any

import structlog

from threadrun.status import CallState, OnUnknown
from worker.decide.calls import answer_for
from worker.decide.decision import Event, Repair, SettingAside, Settlement
from worker.decide.interrupted import pause_ms
from worker.desk import Desk
from worker.store.ledger import CallAddress, CallResult
from worker.store.writes import event_body
from worker.transitions import level_of
from worker.view import CallView, RunView

log = structlog.get_logger("threadrun.advance")


async def mend(desk: Desk, run: RunView, repair: Repair) -> None:
    """Carry a repair out, each part only if the call is still as it was seen."""
    for settlement in repair.settle:
        await _settle(desk, run, settlement)
    for call in repair.reopen:
        event = reopened(run.round, call, "worker_died")
        at, pause = CallAddress(run.key, run.round, call.index), pause_ms(call, desk.rules)
        done = await desk.store.ledger.reopen(at, call.token, pause, event_body(event), after=call)
        _log(run, event, stored=bool(done))
    for one in repair.aside:
        event = set_aside(run.round, one)
        at = CallAddress(run.key, run.round, one.call.index)
        done = await desk.store.ledger.set_aside(at, one.call, one.kind.value, "", event_body(event))
        _log_quarantined(run, one.call, stored=bool(done))
        _log(run, event, stored=bool(done))


async def _settle(desk: Desk, run: RunView, settlement: Settlement) -> None:
    call, kind = settlement.call, settlement.kind
    event = settled(run.round, settlement)
    token = "" if call.state is CallState.PENDING else call.token
    at, result = CallAddress(run.key, run.round, call.index), CallResult(answer_for(kind), kind.value)
    verdict, left = await desk.store.ledger.settle(
        at, token, result, event_body(event), f"engine.{run.claim}", after=call
    )
    _log_quarantined(run, call, stored=verdict == "settled")
    _log(run, event, stored=verdict == "settled")
    _log(run, Event("run.outputs_ready", {"round": run.round}), stored=verdict == "settled" and not left)


def settled(round_: int, settlement: Settlement) -> Event:
    """Describe that a call was answered in its handler's place."""
    call = settlement.call
    return Event("tool.settled", {**_place(round_, call), "kind": settlement.kind.value})


def reopened(round_: int, call: CallView, reason: str) -> Event:
    """Describe that a call will be run again."""
    return Event("tool.reopened", {**_place(round_, call), "reason": reason, "worker": call.worker})


def set_aside(round_: int, aside: SettingAside) -> Event:
    """Describe that a call's outcome is unknown: it is parked, or its run will fail."""
    parked = aside.call.on_unknown is OnUnknown.PARK
    name = "tool.parked" if parked else "tool.outcome_unknown"
    return Event(name, {**_place(round_, aside.call), "kind": aside.kind.value})


def quarantined(round_: int, call: CallView) -> Event:
    """Describe that too many died with a call for it to be run again."""
    return Event("tool.quarantined", {**_place(round_, call), "strikes": call.strikes, "deaths": call.deaths})


def _place(round_: int, call: CallView) -> dict[str, Any]:
    return {"round": round_, "index": call.index, "tool": call.tool, "attempt": call.attempts}


def _log_quarantined(run: RunView, call: CallView, *, stored: bool) -> None:
    newly = stored and call.quarantined and call.state is CallState.CLAIMED
    _log(run, quarantined(run.round, call), stored=newly)


def _log(run: RunView, event: Event, *, stored: bool) -> None:
    if stored:
        level = level_of(event.type, event.data)
        log.log(level, event.type, run_key=run.key, run_id=run.run_id, **event.data)
