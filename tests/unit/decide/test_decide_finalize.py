"""An ended run is read whole, then written once."""

from __future__ import annotations

import pytest

from tests.unit.decide.views import NOW, RULES, a_run, decide, moved
from threadrun.status import Outcome, Stage
from worker.decide.decision import Ask, Finish, Question, Tell
from worker.decide.seen import Gathered
from worker.view import Progress, RunView

WHOLE = Gathered((), run_usage=True, any_usage=True)


def ended(**more: object) -> RunView:
    run_id = more.pop("run_id", "run_1")
    values = {"ending": Outcome.COMPLETED, "ended_ms": NOW - 1_000, **more}
    return a_run(Stage.FINALIZE, Progress(**values), status="completed", run_id=run_id)


def test_steps_messages_and_usage_are_read():
    assert decide(ended()) == Ask(Question.RECORD)


def test_what_was_read_whole_is_written():
    assert decide(ended(), WHOLE) == Finish(Outcome.COMPLETED)


@pytest.mark.parametrize("ending", [Outcome.CANCELLED, Outcome.REJECTED, Outcome.LOST, Outcome.TIMED_OUT])
def test_a_run_that_the_provider_never_had_is_written_without_asking(ending):
    assert decide(ended(run_id=None, ending=ending)) == Finish(ending)


def test_what_could_not_be_read_is_read_again_ever_more_slowly():
    gathered, delays = Gathered(("steps",), run_usage=True, any_usage=True), []
    for errors in range(7):
        move = moved(decide(ended(errors=errors), gathered))
        assert (move.stage, move.changes.progress.errors) == (Stage.FINALIZE, errors + 1)
        delays.append(move.delay_ms)

    assert 400 <= delays[0] <= 600
    assert 8_000 <= delays[-1] <= 12_000


def test_after_its_own_deadline_the_record_says_what_is_missing():
    late = ended(ended_ms=NOW - RULES.finalize_deadline_ms)
    decision = decide(late, Gathered(("steps", "messages"), run_usage=False, any_usage=False))

    assert decision == Finish(Outcome.COMPLETED, ("steps", "messages", "usage"))


def test_a_wait_never_reaches_beyond_that_deadline():
    soon = ended(ended_ms=NOW - RULES.finalize_deadline_ms + 50, errors=6)

    assert moved(decide(soon, Gathered(("steps",), run_usage=True, any_usage=True))).delay_ms == 50


def test_what_the_provider_no_longer_knows_is_not_asked_for_again():
    gone = Gathered(("steps", "messages"), run_usage=False, any_usage=False, refused=True)

    assert decide(ended(), gone) == Finish(Outcome.COMPLETED, ("steps", "messages", "usage"))


def test_a_null_usage_is_looked_at_twice_more_within_five_seconds():
    gathered, progress, waited = Gathered((), run_usage=False, any_usage=False), ended().progress, 0
    for _ in range(2):
        move = moved(decide(a_run(Stage.FINALIZE, progress), gathered))
        progress, waited = move.changes.progress, waited + move.delay_ms

    assert decide(a_run(Stage.FINALIZE, progress), gathered) == Finish(Outcome.COMPLETED, ("usage",))
    assert waited <= 5_000


def test_the_usage_of_the_steps_will_do_where_the_runs_own_stays_null():
    summed = Gathered((), run_usage=False, any_usage=True)

    assert moved(decide(ended(), summed)).stage is Stage.FINALIZE
    assert decide(ended(usage_looks=2), summed) == Finish(Outcome.COMPLETED)


def test_a_wish_to_cancel_changes_nothing_any_more():
    run = a_run(Stage.FINALIZE, ended().progress, cancel_ms=NOW, deadline_ms=NOW - 1)

    assert decide(run, WHOLE) == Finish(Outcome.COMPLETED)


def test_a_finished_run_that_is_still_due_is_told():
    assert decide(a_run(Stage.DONE)) == Tell()
