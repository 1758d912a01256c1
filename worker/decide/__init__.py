"""Decide what to do next with a run, from what is stored and what was just observed.

`decide` is pure and total: it answers for every stage, status and observation, and does no I/O. What it decides
is carried out by `worker.advance`; a decision may be made again by anybody at any time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from threadrun.status import Stage
from worker.decide.admit import admit
from worker.decide.cancel import cancel
from worker.decide.create import create
from worker.decide.decision import Decision, Move, Rest, Tell
from worker.decide.dispatch import dispatch
from worker.decide.finalize import finalize
from worker.decide.poll import poll
from worker.decide.rules import Rules
from worker.decide.seen import Seen
from worker.decide.submit import submit
from worker.view import RunView

_UNDER_DEADLINE = frozenset({Stage.WAITING, Stage.CREATE, Stage.POLL, Stage.TOOLS, Stage.SUBMIT})


def decide(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Decide the next move of a run.

    Args:
        run: What is stored.
        seen: What was just observed; `Look()` right after a claim.
        now: Redis's clock in milliseconds.
        rules: The numbers to decide by.
    """
    return _by_deadline(run, _in_stage(run, seen, now, rules), now)


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


def _by_deadline(run: RunView, decision: Decision, now: int) -> Decision:
    """Be there when the run's deadline passes, however far away the next look would be."""
    left_ms = run.deadline_ms - now
    if left_ms <= 0 or not isinstance(decision, Move | Rest) or decision.delay_ms <= left_ms:
        return decision
    stage = decision.stage if isinstance(decision, Move) else run.stage
    return replace(decision, delay_ms=left_ms) if stage in _UNDER_DEADLINE else decision
