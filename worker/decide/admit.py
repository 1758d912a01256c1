"""Decide in stage waiting: a run whose thread is held by another."""

from __future__ import annotations

from threadrun.status import Stage
from worker.decide.decision import Changes, Decision, Event, Move, Rest
from worker.decide.ending import due_ending, end
from worker.decide.rules import Rules
from worker.view import RunView


def admit(run: RunView, now: int, rules: Rules) -> Decision:
    """Admit the run once the mailbox names it the thread's holder; a wish to cancel ends it at once."""
    changes = Changes(run.progress)
    if ending := due_ending(run, now):
        return end(run, changes, ending[1], now)
    if run.my_turn:
        return Move(Stage.CREATE, 0, changes.adding(Event("run.admitted")))
    return Rest(rules.waiting_look_ms)
