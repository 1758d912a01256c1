"""Decide how a run leaves the stages that change it: to finalize, or first to cancel."""

from __future__ import annotations

from threadrun.status import Outcome, RunStatus, Stage
from worker.decide.decision import Changes, Event, Move, ThreadMove
from worker.replace import replace
from worker.view import RunView


def end(run: RunView, changes: Changes, outcome: Outcome, now: int) -> Move:
    """Record that the run has ended: its thread is free and its final record can be gathered."""
    reason = changes.progress.reason or changes.progress.held
    progress = replace(
        changes.progress, ending=outcome, ended_ms=now, intent=None, errors=0, held="", reason=reason
    )
    ended = Event("run.ended", {"outcome": outcome.value, "unconfirmed": progress.unconfirmed})
    return Move(
        Stage.FINALIZE,
        0,
        replace(changes, progress=progress, thread=ThreadMove.FREE, withdraw=True).adding(ended),
    )


def end_as(run: RunView, changes: Changes, status: RunStatus, now: int) -> Move:
    """End with the provider's terminal status; a cancel of our own gives the outcome that caused it."""
    ours = run.progress.ending
    if ours is not None and status is RunStatus.CANCELLED:
        return end(run, changes, ours, now)
    changes = replace(changes, progress=replace(changes.progress, reason=""))
    return end(run, changes, Outcome(status.value), now)


def to_cancel(run: RunView, changes: Changes, reason: str, ending: Outcome, now: int) -> Move:
    """Send the run to stage cancel; `ending` is its outcome if the provider then says cancelled."""
    progress = replace(
        changes.progress,
        ending=ending,
        reason=reason,
        cancel_since_ms=now,
        cancel_accepted_ms=0,
        refusals=0,
        intent=None,
        errors=0,
    )
    begun = Event("run.cancelling", {"reason": reason})
    return Move(Stage.CANCEL, 0, replace(changes, progress=progress, withdraw=True).adding(begun))


def due_ending(run: RunView, now: int) -> tuple[str, Outcome] | None:
    """Tell whether the run must be brought to an end now, and why."""
    if run.cancel_ms:
        return "cancel_requested", Outcome.CANCELLED
    if now >= run.deadline_ms:
        return "deadline_passed", Outcome.TIMED_OUT
    return None
