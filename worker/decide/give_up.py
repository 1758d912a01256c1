"""Decide about a run that nobody can advance: a defect of our own must not keep it open for ever."""

from __future__ import annotations

from dataclasses import replace

from threadrun.status import Outcome, Stage
from worker.decide.decision import Changes, Finish, Move
from worker.decide.ending import end
from worker.decide.rules import Rules
from worker.view import RunView


def given_up(run: RunView, now: int, rules: Rules) -> Finish | Move | None:
    """Bring a run to its record without its provider, if its advance failed again and again after its deadline.

    The provider is not asked and no ledger is read: whatever raised may be there.
    """
    if run.failures < rules.max_failures or run.stage is Stage.DONE:
        return None
    if run.stage is Stage.FINALIZE:
        return Finish(run.progress.ending or Outcome.LOST, ("steps", "messages", "usage"))
    unconfirmed = run.run_id is not None
    return end(run, Changes(replace(run.progress, unconfirmed=unconfirmed)), Outcome.LOST, now)
