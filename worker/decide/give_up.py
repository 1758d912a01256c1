"""Decide about a run that nobody can advance: what kills its workers, or raises in each, keeps no run open for ever.

The provider is not asked and no ledger is read: whatever does it may be there. Once the run has ended here, one cancel
is sent to the provider; nobody looks whether it did what it should, and the record says so.
"""

from __future__ import annotations

from threadrun.status import Outcome, Stage
from worker.decide.decision import Changes, Event, Finish, Move
from worker.decide.ending import end
from worker.decide.rules import Rules
from worker.replace import replace
from worker.view import RunView

UNREAD = ("steps", "messages", "usage")
"""What the final record of such a run lacks."""


def given_up(run: RunView, now: int, rules: Rules) -> Finish | Move | None:
    """Bring a run to its record without its provider, if it is hopeless.

    It is when its advance failed again and again after its deadline, or when it is in quarantine: then it is claimed
    only because its deadline has passed, or because somebody wished it cancelled.
    """
    hopeless = run.quarantined or run.failures >= rules.max_failures
    if not hopeless or run.stage is Stage.DONE:
        return None
    if run.stage is Stage.FINALIZE:
        return Finish(run.progress.ending or Outcome.LOST, UNREAD)
    outcome = run.progress.ending or (Outcome.CANCELLED if run.cancel_ms else Outcome.LOST)
    may_exist = run.run_id is not None or run.progress.intent is not None
    reason = "quarantined" if run.quarantined else "advance_failed"
    changes = Changes(replace(run.progress, unconfirmed=may_exist, reason=reason))
    if run.run_id is not None:
        changes = changes.adding(Event("run.cancel_sent"))
    return end(run, changes, outcome, now)
