"""Decide in stage tools: a run whose tool calls wait for handlers or run in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from threadrun.models import Run
from threadrun.status import CallState, OnUnknown, Outcome, RunStatus, Stage
from threadrun.tools import ToolResultKind
from worker.decide.calls import narrowed, next_look_ms, ours, places_asked, send_time_ms
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Question, Repair, Rest, Settlement
from worker.decide.ending import due_ending, to_cancel
from worker.decide.interrupted import all_of, died, unknown
from worker.decide.observe import observed, refreshed
from worker.decide.rules import Rules
from worker.decide.seen import Look, RunSeen, Seen
from worker.decide.trouble import unreadable
from worker.providers.base import No, Refusal, Yes
from worker.replace import replace
from worker.view import CallView, RunView

UNSETTLED = frozenset({CallState.PENDING, CallState.CLAIMED, CallState.UNKNOWN})
_AT_WORK = frozenset({RunStatus.QUEUED, RunStatus.IN_PROGRESS})


def dispatch(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """See that every call is sent, claimed by a living worker and settled in time."""
    match seen:
        case Look():
            return _look(run, now, rules)
        case RunSeen(reply=Yes(value=shown) as reply):
            places = places_asked(run.progress.signature, shown)
            if shown.status == RunStatus.REQUIRES_ACTION and places:
                return _still_asked(run, shown, places, now, rules)
            return _moved_on(run, reply, seen, now, rules)
        case RunSeen(reply=No(refusal=Refusal.NOT_FOUND) as reply):
            return unreadable(replace(run, progress=replace(run.progress, looked_ms=now)), reply, now, rules)
        case RunSeen():
            return unlooked(run, now, rules)
        case _:
            return Rest(0)


def _still_asked(run: RunView, shown: Run, places: Sequence[int], now: int, rules: Rules) -> Rest | Move:
    """Go on with the round; of calls that are no longer asked for, those not begun are not begun any more."""
    progress = replace(refreshed(run.progress, shown, now), looked_ms=now, left_ms=0)
    if (left := narrowed(progress, places)) != progress:
        return Move(Stage.TOOLS, 0, Changes(left))
    return _send_due(run, Changes(progress), now, rules)


def unlooked(run: RunView, now: int, rules: Rules) -> Rest | Move:
    """Go on without having seen the run: its calls are sent all the same."""
    return _send_due(run, Changes(replace(run.progress, looked_ms=now)), now, rules)


def _look(run: RunView, now: int, rules: Rules) -> Decision:
    if ending := due_ending(run, now):
        return to_cancel(run, Changes(run.progress), *ending, now)
    if withdrawn := tuple(call.index for call in run.calls if call.state is CallState.WITHDRAWN):
        return Move(Stage.TOOLS, 0, Changes(run.progress, resumed=withdrawn))
    unsettled = tuple(call for call in run.calls if call.state in UNSETTLED)
    if not unsettled:
        return Move(Stage.SUBMIT, 0, Changes(run.progress))
    if any(call.state is CallState.UNKNOWN and call.on_unknown is OnUnknown.FAIL for call in unsettled):
        return to_cancel(run, Changes(run.progress), "outcome_unknown", Outcome.FAILED, now)
    expires_ms = run.progress.expires_ms
    expiring = expires_ms and now >= expires_ms - rules.expiry_margin_ms
    repairs = map(_at_expiry, unsettled) if expiring else _interrupted(unsettled, now, rules)
    if repair := all_of(chain(_answered_elsewhere(run), repairs)):
        return repair
    if now - run.progress.looked_ms >= rules.provider_look_ms:
        return Ask(Question.RUN)
    return _send_due(run, Changes(run.progress), now, rules)


def _answered_elsewhere(run: RunView) -> Iterator[Repair]:
    """Find calls that nobody has begun and nobody asks for any more."""
    for call in run.calls:
        if run.progress.wanted and call.index not in run.progress.wanted and call.state is CallState.PENDING:
            yield Repair(settle=(Settlement(call, ToolResultKind.ANSWERED_ELSEWHERE),))


def _at_expiry(call: CallView) -> Repair:
    """Answer what has no output yet: parking ends here too, and only a tool that would fail the run still does."""
    match call.state:
        case CallState.UNKNOWN:
            return Repair(settle=(Settlement(call, ToolResultKind.UNKNOWN_OUTCOME),))
        case CallState.CLAIMED if call.on_unknown is OnUnknown.FAIL:
            return unknown(call, ToolResultKind.EXPIRED)
        case _:
            return Repair(settle=(Settlement(call, ToolResultKind.EXPIRED),))


def _interrupted(unsettled: tuple[CallView, ...], now: int, rules: Rules) -> Iterator[Repair]:
    """Find claimed calls whose worker died or never reported."""
    for call in unsettled:
        if call.state is not CallState.CLAIMED:
            continue
        if call.claimant_dead:
            yield died(call, rules)
        elif now > call.deadline_ms + rules.hard_limit_grace_ms:
            yield unknown(call, ToolResultKind.TIMEOUT)


def _send_due(run: RunView, changes: Changes, now: int, rules: Rules) -> Rest | Move:
    pending = [call for call in run.calls if call.state is CallState.PENDING]
    due = [call for call in pending if send_time_ms(call, rules) <= now]
    sent = {call.index: replace(call, sends=call.sends + 1, sent_ms=now) for call in due}
    calls = tuple(sent.get(call.index, call) for call in run.calls)
    delay_ms = next_look_ms(replace(run, progress=changes.progress, calls=calls), now, rules)
    if not sent and changes.progress == run.progress:
        return Rest(delay_ms)
    again = [
        Event("tool.sent_again", {"round": run.round, "index": c.index, "sends": c.sends})
        for c in sent.values()
        if c.sends > 1
    ]
    return Move(Stage.TOOLS, delay_ms, replace(changes, sent=tuple(sent.values())).adding(*again))


def _moved_on(run: RunView, reply: Yes[Run], seen: RunSeen, now: int, rules: Rules) -> Decision:
    """The run no longer waits for these calls: those not begun are withdrawn."""
    shown = reply.value
    asks_nothing = shown.status == RunStatus.REQUIRES_ACTION and not ours(shown)
    if asks_nothing or shown.known_status is None:
        return _send_due(run, Changes(replace(run.progress, looked_ms=now)), now, rules)
    if shown.status in _AT_WORK and not run.progress.left_ms:
        # Only we submit, so this may be an old picture; and a round that is opened again runs its calls again.
        return _send_due(run, Changes(replace(run.progress, looked_ms=now, left_ms=now)), now, rules)
    decision = observed(run, reply, seen, now, rules)
    if isinstance(decision, Move):
        return replace(decision, changes=replace(decision.changes, withdraw=True))
    return decision
