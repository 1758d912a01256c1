"""Decide after an answer that was no use: errors never fail a run, they only make it wait."""

from __future__ import annotations

from threadrun.status import Outcome
from worker.backoff import error_delay_ms
from worker.decide.decision import Changes, Decision, Event, Move
from worker.decide.ending import end
from worker.decide.rules import Rules
from worker.providers.base import No, Refusal, Unknown
from worker.replace import replace
from worker.view import RunView

_TO_BE_MENDED = frozenset({Refusal.UNAUTHORIZED, Refusal.NO_ROUTE})


def look_later(run: RunView, reply: No | Unknown, rules: Rules, *, keep_intent: bool = False) -> Move:
    """Stay in the stage and look again after a delay that grows, or that the provider asked for.

    A refused key or a wrong address holds the run for longer: nothing will change until somebody mends the profile.
    """
    errors = run.progress.errors + 1
    held = ""
    delay_ms = error_delay_ms(errors, reply.retry_after_seconds, f"{run.key}:{errors}")
    if isinstance(reply, No):
        held = reply.refusal.value
        if reply.refusal in _TO_BE_MENDED:
            delay_ms = max(delay_ms, rules.hold_ms)
    intent = run.progress.intent if keep_intent else None
    progress = replace(run.progress, errors=errors, held=held, intent=intent)
    changes = Changes(progress, answer=reply.answer)
    if held and held != run.progress.held:
        changes = changes.adding(Event("run.held", {"reason": held}))
    return Move(run.stage, delay_ms, changes)


def unreadable(run: RunView, reply: No | Unknown, now: int, rules: Rules) -> Decision:
    """Decide after a failed read of the run: wait; a run that stays unknown for a minute is lost."""
    if not (isinstance(reply, No) and reply.refusal is Refusal.NOT_FOUND):
        return look_later(run, reply, rules, keep_intent=True)
    since = run.progress.missing_since_ms or now
    if now - since >= rules.missing_grace_ms:
        return end_refused(run, reply, Outcome.LOST, now)
    move = look_later(run, reply, rules, keep_intent=True)
    changes = replace(move.changes, progress=replace(move.changes.progress, missing_since_ms=since))
    return replace(move, changes=changes)


def end_refused(run: RunView, reply: No, outcome: Outcome, now: int) -> Move:
    """End a run for good by what the provider just said; why it was held before is over."""
    progress = replace(run.progress, held=reply.refusal.value)
    return end(run, Changes(progress, answer=reply.answer), outcome, now)
