"""Decide in stage finalize: an ended run whose steps, messages and usage are gathered for the final record."""

from __future__ import annotations

from threadrun.status import Outcome, Stage
from worker.backoff import error_delay_ms
from worker.decide.decision import Ask, Changes, Decision, Finish, Move, Question, Rest
from worker.decide.rules import Rules
from worker.decide.seen import Gathered, Look, Seen
from worker.replace import replace
from worker.view import RunView

USAGE_LOOKS = 2
"""How often a null usage is looked at again."""


def finalize(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Write the record once it is whole, or once its own deadline has passed: then it says what is missing."""
    outcome = run.progress.ending or Outcome.LOST
    match seen:
        case Look():
            return Finish(outcome) if run.run_id is None else Ask(Question.RECORD)
        case Gathered(missing=missing):
            over = is_over(run, now, rules)
            if seen.held_ms and not over:
                return Rest(seen.held_ms)
            if missing and not over and not seen.refused:
                errors = run.progress.errors + 1
                progress = replace(run.progress, errors=errors)
                return Move(
                    Stage.FINALIZE, error_delay_ms(errors, None, run.key, cap_ms=10_000), Changes(progress)
                )
            if not seen.run_usage and not missing and run.progress.usage_looks < USAGE_LOOKS:
                progress = replace(run.progress, usage_looks=run.progress.usage_looks + 1)
                return Move(Stage.FINALIZE, rules.usage_look_ms, Changes(progress))
            return Finish(outcome, missing if seen.any_usage else (*missing, "usage"))
        case _:
            return Rest(0)


def is_over(run: RunView, now: int, rules: Rules) -> bool:
    """Tell whether what the record lacks by now is not waited for any longer."""
    return now - run.progress.ended_ms >= rules.finalize_deadline_ms
