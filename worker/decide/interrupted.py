"""Decide about a call whose handler was entered and did not report: run it again, or its outcome is unknown.

Both the engine, which judges dead workers, and a tools worker's parent, which sees its children die, decide by this.
"""

from __future__ import annotations

from collections.abc import Iterable

from threadrun.status import OnUnknown
from threadrun.tools import ToolResultKind
from worker.backoff import spread
from worker.decide.decision import Repair, SettingAside, Settlement
from worker.decide.rules import Rules
from worker.replace import replace
from worker.view import CallView


def died(call: CallView, rules: Rules) -> Repair:
    """Decide about a call whose process is dead; `call.alone` tells whether it had nothing else in its hands.

    An idempotent call is run again with the same idempotency key, until too many have died with it. The outcome of
    any other is unknown: what becomes of it is the tool's choice.
    """
    call = replace(call, deaths=call.deaths + 1, strikes=call.strikes + call.alone)
    if not call.idempotent:
        return unknown(call, ToolResultKind.UNKNOWN_OUTCOME)
    if call.strikes < rules.max_strikes and call.deaths < rules.max_deaths:
        return Repair(reopen=(call,))
    return unknown(replace(call, quarantined=True), ToolResultKind.UNKNOWN_OUTCOME)


def unknown(call: CallView, kind: ToolResultKind) -> Repair:
    """Do what the tool wants done with a call whose outcome nobody knows."""
    if call.on_unknown is OnUnknown.TELL:
        return Repair(settle=(Settlement(call, kind),))
    return Repair(aside=(SettingAside(call, kind),))


def all_of(repairs: Iterable[Repair]) -> Repair | None:
    """Put repairs together; none if there is nothing to do."""
    whole = Repair()
    for one in repairs:
        whole = Repair(whole.settle + one.settle, whole.reopen + one.reopen, whole.aside + one.aside)
    return None if whole == Repair() else whole


def pause_ms(call: CallView, rules: Rules) -> int:
    """Say when a reopened call is sent again: those that died together are run apart, to see which one it was."""
    if call.alone:
        return 0
    return round(rules.apart_ms * call.deaths * spread(f"{call.token}:{call.index}", 1.0) / 2)
