"""Decide in stage cancel: a wish that is repeated until the provider shows a terminal status.

A cancelled run may still end completed. Some servers refuse to cancel while outputs are required: then every
call is answered as cancelled, and the cancel is sent again.
"""

from __future__ import annotations

from threadrun.models import Run
from threadrun.status import Outcome, RunStatus, Stage
from worker.backoff import error_delay_ms
from worker.decide.calls import ours
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Post, Question, Rest
from worker.decide.ending import end, end_as
from worker.decide.observe import refreshed
from worker.decide.rules import Rules
from worker.decide.seen import CancelAnswered, Look, OutputsAnswered, RunSeen, Seen
from worker.decide.trouble import look_later, unreadable
from worker.providers.base import OUTSIDE, No, Refusal, Reply, Unknown, Yes
from worker.replace import replace
from worker.view import Effect, RunView

_WAITED_OUT = OUTSIDE - {Refusal.NO_ROUTE}
"""What is waited out; where the server has no such request, the run itself is looked at."""


def cancel(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Cancel the run and wait until it has ended."""
    match seen:
        case Look():
            return _look(run, now, rules)
        case CancelAnswered(reply):
            return _answered(run, reply, now, rules)
        case RunSeen():
            if isinstance(seen.reply, Yes):
                return _reread(run, seen.reply, now, rules)
            return unreadable(run, seen.reply, now, rules)
        case OutputsAnswered(reply=reply):
            delay_ms = error_delay_ms(run.progress.refusals, None, run.key)
            return Move(
                Stage.CANCEL, delay_ms, Changes(replace(run.progress, intent=None), answer=reply.answer)
            )
        case _:
            return Rest(0)


def _look(run: RunView, now: int, rules: Rules) -> Decision:
    if run.run_id is None:
        return end(run, Changes(run.progress), run.progress.ending or Outcome.CANCELLED, now)
    intent = run.progress.intent
    if intent is not None and now < intent.not_after_ms:
        return Rest(intent.not_after_ms - now)
    if now - run.progress.cancel_since_ms >= rules.cancel_deadline_ms:
        progress = replace(run.progress, unconfirmed=True)
        return end(run, Changes(progress), run.progress.ending or Outcome.CANCELLED, now)
    accepted = run.progress.cancel_accepted_ms
    if intent is not None or (accepted and now - accepted < rules.cancel_again_ms):
        return Ask(Question.RUN)
    return _post(run)


def _post(run: RunView) -> Post:
    return Post(
        Effect.CANCEL_RUN, Changes(replace(run.progress, intent=None), events=(Event("run.cancel_sent"),))
    )


def _answered(run: RunView, reply: Reply[Run], now: int, rules: Rules) -> Decision:
    match reply:
        case Yes():
            accepted = replace(run, progress=replace(run.progress, intent=None, cancel_accepted_ms=now))
            return _reread(accepted, reply, now, rules)
        case No(refusal=refusal) if refusal in _WAITED_OUT:
            return look_later(run, reply, rules)
        case No() | Unknown():
            refusals = run.progress.refusals + isinstance(reply, No)
            over = replace(run.progress.intent, not_after_ms=now) if run.progress.intent else None
            progress = replace(run.progress, intent=over, refusals=refusals)
            return Move(Stage.CANCEL, 250, Changes(progress, answer=reply.answer))


def _reread(run: RunView, reply: Yes[Run], now: int, rules: Rules) -> Decision:
    shown = reply.value
    status = shown.known_status
    progress = replace(refreshed(run.progress, shown, now), intent=None)
    if status is RunStatus.CANCELLING and run.progress.intent is not None:
        progress = replace(progress, cancel_accepted_ms=now)  # refused, because an earlier one is at work
    changes = Changes(progress, run=shown, answer=reply.answer)
    if shown.status != run.status:
        changes = changes.adding(
            Event("run.status_changed", {"from": run.status or None, "to": shown.status[:64]})
        )
    if status is not None and status.terminal:
        return end_as(run, changes, status, now)
    if status is RunStatus.REQUIRES_ACTION and run.progress.refusals and ours(shown):
        answered = Event("tool_outputs.cancelled", {"calls": len(ours(shown))})
        return Post(Effect.SUBMIT_OUTPUTS, changes.adding(answered))
    delay_ms = rules.poll.delay_ms(now - run.progress.cancel_since_ms, f"{run.key}:{now}")
    return Move(Stage.CANCEL, max(delay_ms, round((reply.poll_after_seconds or 0) * 1000)), changes)
