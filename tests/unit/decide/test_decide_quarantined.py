"""A quarantined run ends before its provider hears of it, whatever stage it is in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.decide.views import NOW, RULES, a_run, intent, moved
from threadrun.status import Outcome, Stage
from worker.decide.decision import Finish, ThreadMove
from worker.decide.give_up import given_up
from worker.view import Effect, Progress

OPEN = [stage for stage in Stage if stage not in {Stage.DONE, Stage.FINALIZE}]


def quarantined(stage: Stage, progress: Progress | None = None, **fields: object):
    return replace(a_run(stage, progress, **fields), quarantined=True)


def end_of(run):
    return given_up(run, NOW, RULES)


@pytest.mark.parametrize("stage", OPEN)
def test_it_is_lost_and_its_thread_is_free_and_nothing_is_asked(stage):
    move = moved(end_of(quarantined(stage, deadline_ms=NOW)))

    progress = move.changes.progress
    assert (move.stage, move.changes.thread) == (Stage.FINALIZE, ThreadMove.FREE)
    assert (progress.ending, progress.reason) == (Outcome.LOST, "quarantined")


def test_what_may_exist_at_the_provider_is_recorded_as_unconfirmed():
    made = moved(end_of(quarantined(Stage.POLL)))
    perhaps = moved(end_of(quarantined(Stage.CREATE, Progress(intent=intent(Effect.CREATE_RUN)))))
    never = moved(end_of(quarantined(Stage.CREATE)))

    assert [one.changes.progress.unconfirmed for one in (made, perhaps, never)] == [True, True, False]


def test_a_cancel_ends_it_as_cancelled():
    assert moved(end_of(quarantined(Stage.POLL, cancel_ms=NOW))).changes.progress.ending is Outcome.CANCELLED


def test_an_ending_that_was_decided_before_stands():
    move = moved(end_of(quarantined(Stage.CANCEL, Progress(ending=Outcome.TIMED_OUT))))

    assert move.changes.progress.ending is Outcome.TIMED_OUT


def test_a_run_whose_record_kills_is_finished_without_what_was_to_be_read():
    done = end_of(quarantined(Stage.FINALIZE, Progress(ending=Outcome.COMPLETED)))

    assert done == Finish(Outcome.COMPLETED, ("steps", "messages", "usage"))
    assert end_of(quarantined(Stage.DONE)) is None
