"""Decide about a run that three workers died with: end it without a word to the provider.

Whatever kills its workers may be in any answer of the provider, so none is asked for. The run at the provider is
left as it is, and the record says so.
"""

from __future__ import annotations

from dataclasses import replace

from threadrun.status import Outcome, Stage
from worker.decide.decision import Changes, Decision, Finish, Tell
from worker.decide.ending import end
from worker.view import RunView

UNREAD = ("steps", "messages", "usage")
"""What the final record of such a run lacks."""


def give_up(run: RunView, now: int) -> Decision:
    """End a quarantined run; it is claimed only when its deadline has passed or somebody wished it cancelled."""
    if run.stage is Stage.DONE:
        return Tell()
    if run.stage is Stage.FINALIZE:
        return Finish(run.progress.ending or Outcome.LOST, UNREAD)
    outcome = run.progress.ending or (Outcome.CANCELLED if run.cancel_ms else Outcome.LOST)
    may_exist = run.run_id is not None or run.progress.intent is not None
    progress = replace(run.progress, unconfirmed=may_exist, reason="quarantined")
    return end(run, Changes(progress), outcome, now)
