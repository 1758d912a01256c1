"""Decide in stage submit: all outputs of a round are known and go to the provider in one request."""

from __future__ import annotations

from threadrun.models import Run, RunStep
from threadrun.status import Outcome, RunStatus, Stage
from worker.backoff import error_delay_ms
from worker.decide.calls import narrowed, places_asked
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Post, Question, Rest
from worker.decide.ending import due_ending, to_cancel
from worker.decide.observe import observed
from worker.decide.poll import awaits_outputs, has_new_calls, may_repeat
from worker.decide.rules import Rules
from worker.decide.seen import Look, OutputsAnswered, RunSeen, Seen, StepsSeen
from worker.decide.trouble import look_later, unreadable
from worker.providers.base import OUTSIDE, No, Refusal, Reply, Unknown, Yes
from worker.replace import replace
from worker.view import Effect, RunView

_GOES_ON = frozenset(
    {
        RunStatus.QUEUED,
        RunStatus.IN_PROGRESS,
        RunStatus.REQUIRES_ACTION,
        RunStatus.COMPLETED,
        RunStatus.INCOMPLETE,
    }
)
"""What only a run can show that got its outputs, if it does not ask for the same ones."""


def submit(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Send the outputs; when it is unknown whether they arrived, read the run and decide."""
    match seen:
        case Look():
            return _look(run, now)
        case OutputsAnswered(reply):
            return _answered(run, reply, now, rules)
        case RunSeen():
            if isinstance(seen.reply, Yes):
                return _reread(run, seen.reply, seen, now, rules)
            return unreadable(run, seen.reply, now, rules)
        case StepsSeen(reply):
            return _steps_decide(run, reply, now, rules)
        case _:
            return Rest(0)


def _look(run: RunView, now: int) -> Decision:
    intent = run.progress.intent
    if intent is not None and now < intent.not_after_ms:
        return Rest(intent.not_after_ms - now)
    if ending := due_ending(run, now):
        return to_cancel(run, Changes(run.progress), *ending, now)
    if intent is not None:
        return Ask(Question.RUN)
    return _post(run)


def _post(run: RunView) -> Post:
    event = Event("tool_outputs.sent", {"round": run.round})
    return Post(Effect.SUBMIT_OUTPUTS, Changes(run.progress, events=(event,)))


def _answered(run: RunView, reply: Reply[Run], now: int, rules: Rules) -> Decision:
    match reply:
        case Yes():
            return _accepted(run, reply, RunSeen(reply), now, rules)
        case No(refusal=refusal) if refusal in OUTSIDE:
            return look_later(run, reply, rules)
        case No(refusal=Refusal.INVALID) if run.progress.refusals + 1 >= rules.max_refusals:
            changes = Changes(run.progress, answer=reply.answer)
            return to_cancel(run, changes, "outputs_refused", Outcome.FAILED, now)
        case No() | Unknown():
            return _read_soon(run, reply, now)


def _read_soon(run: RunView, reply: No | Unknown, now: int) -> Decision:
    """Refused or unknown: the run itself will tell what became of the outputs."""
    intent = run.progress.intent
    over = replace(intent, not_after_ms=now) if intent is not None else None
    refusals = run.progress.refusals + isinstance(reply, No)
    progress = replace(run.progress, intent=over, refusals=refusals)
    word = "refused" if isinstance(reply, No) else "unknown"
    reason = reply.refusal.value if isinstance(reply, No) else reply.reason
    event = Event(f"tool_outputs.{word}", {"round": run.round, "reason": reason})
    delay_ms = error_delay_ms(refusals, reply.retry_after_seconds, run.key)
    return Move(Stage.SUBMIT, delay_ms, Changes(progress, answer=reply.answer, events=(event,)))


def _accepted(run: RunView, reply: Yes[Run], seen: RunSeen, now: int, rules: Rules) -> Decision:
    """The provider has the outputs: that is a fact, whatever else is decided."""
    progress = replace(run.progress, intent=None, submitted_ms=now, refusals=0)
    decision = observed(replace(run, progress=progress), reply, seen, now, rules)
    if not isinstance(decision, Move):
        decision = Move(Stage.POLL, rules.poll.delay_ms(0, run.key), Changes(progress, run=reply.value))
    return replace(decision, changes=_having_submitted(run, decision.changes, reply))


def _having_submitted(run: RunView, changes: Changes, reply: Yes[Run]) -> Changes:
    return replace(
        changes,
        facts={f"submitted:{run.round}": reply.value.id},
        fact_events=(Event("tool_outputs.submitted", {"round": run.round, "outputs": len(_sent(run))}),),
        submitted=_sent(run),
    )


def _sent(run: RunView) -> tuple[int, ...]:
    return run.progress.wanted or tuple(call.index for call in run.calls)


def _reread(run: RunView, reply: Yes[Run], seen: RunSeen, now: int, rules: Rules) -> Decision:
    places = places_asked(run.progress.signature, reply.value)
    if reply.value.status == RunStatus.REQUIRES_ACTION and places:
        if (left := narrowed(run.progress, places)) != run.progress:
            return Move(Stage.SUBMIT, 0, Changes(left))
        return _still_required(run, now, rules)
    if reply.value.status in _GOES_ON:
        return _accepted(run, reply, seen, now, rules)
    if reply.value.known_status is None:
        return Rest(1_000)
    return observed(run, reply, seen, now, rules)


def _still_required(run: RunView, now: int, rules: Rules) -> Decision:
    intent = run.progress.intent
    if intent is not None and not run.progress.refusals and now - intent.sent_ms < rules.stale_read_ms:
        return Rest(1_000)  # an old read may follow a submit for some seconds
    return Ask(Question.STEPS)


def _steps_decide(run: RunView, reply: Reply[tuple[RunStep, ...]], now: int, rules: Rules) -> Decision:
    if not isinstance(reply, Yes):
        return look_later(run, reply, rules, keep_intent=True)
    arrived = has_new_calls(run, reply.value)
    if not arrived and awaits_outputs(reply.value):
        return _post(replace(run, progress=replace(run.progress, intent=None)))
    if not arrived and may_repeat(run, reply.value, rules):
        repeats = run.progress.repeats + 1
        return _post(replace(run, progress=replace(run.progress, intent=None, repeats=repeats)))
    signature = "" if arrived else run.progress.signature
    progress = replace(run.progress, intent=None, submitted_ms=now, refusals=0, signature=signature)
    event = Event("tool_outputs.found_submitted", {"round": run.round})
    return Move(Stage.POLL, 0, Changes(progress, answer=reply.answer, events=(event,), submitted=_sent(run)))
