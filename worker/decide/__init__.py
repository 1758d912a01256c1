"""Decide what to do next with a run, from what is stored and what was just observed.

`decide` is pure and total: it answers for every stage, status and observation, and does no I/O. What it decides
is carried out by `worker.advance`; a decision may be made again by anybody at any time.
"""

from __future__ import annotations

from typing import assert_never

from threadrun.status import Stage
from worker.decide.admit import admit
from worker.decide.cancel import cancel
from worker.decide.create import create, search_held
from worker.decide.decision import Ask, Changes, Decision, Move, Post, Question, Rest, Tell
from worker.decide.dispatch import dispatch, unlooked
from worker.decide.finalize import finalize
from worker.decide.poll import poll
from worker.decide.rules import Rules
from worker.decide.seen import Seen
from worker.decide.submit import submit
from worker.replace import replace
from worker.view import Progress, RunView


def decide(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Decide the next move of a run.

    Args:
        run: What is stored.
        seen: What was just observed; `Look()` right after a claim.
        now: Redis's clock in milliseconds.
        rules: The numbers to decide by.
    """
    decision = _in_stage(run, seen, now, rules)
    return _by_deadline(run, decision, now, rules) if isinstance(decision, Move | Rest) else decision


def hold(run: RunView, held: Decision, wait_ms: int, now: int, rules: Rules) -> Rest | Move:
    """Decide what to do with a run whose next request must wait for its profile's permit.

    It rests, and no error is counted; but its deadlines hold, and what can go on without the provider goes on.
    """
    match held:
        case Post(learnt=Changes() as learnt):
            decision: Rest | Move = Move(run.stage, wait_ms, learnt)
        case Ask(Question.SEARCH):
            decision = search_held(run, wait_ms, now, rules)
        case Ask(Question.RUN) if run.stage is Stage.TOOLS:
            decision = unlooked(run, now, rules)
        case _:
            decision = Rest(wait_ms)
    return _by_deadline(run, decision, now, rules)


def _in_stage(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    match run.stage:
        case Stage.WAITING:
            return admit(run, now, rules)
        case Stage.CREATE:
            return create(run, seen, now, rules)
        case Stage.POLL:
            return poll(run, seen, now, rules)
        case Stage.TOOLS:
            return dispatch(run, seen, now, rules)
        case Stage.SUBMIT:
            return submit(run, seen, now, rules)
        case Stage.CANCEL:
            return cancel(run, seen, now, rules)
        case Stage.FINALIZE:
            return finalize(run, seen, now, rules)
        case Stage.DONE:
            return Tell()
        case _:
            assert_never(run.stage)


def _by_deadline(run: RunView, decision: Move | Rest, now: int, rules: Rules) -> Move | Rest:
    """Be there when the stage's deadline passes, however far away the next look would be."""
    match decision:
        case Move(stage, delay_ms, changes):
            left_ms = _deadline_ms(run, stage, changes.progress, rules) - now
        case Rest(delay_ms):
            left_ms = _deadline_ms(run, run.stage, run.progress, rules) - now
    return replace(decision, delay_ms=left_ms) if 0 < left_ms < delay_ms else decision


def _deadline_ms(run: RunView, stage: Stage, progress: Progress, rules: Rules) -> int:
    """Give the deadline that ends a stage: the run's, or that of bringing it to its end."""
    match stage:
        case Stage.CANCEL:
            return progress.cancel_since_ms + rules.cancel_deadline_ms
        case Stage.FINALIZE:
            return progress.ended_ms + rules.finalize_deadline_ms
        case _:
            return run.deadline_ms
