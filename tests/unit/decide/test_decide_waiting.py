"""A run whose thread is held by another run."""

from __future__ import annotations

from tests.unit.decide.views import NOW, a_run, decide, moved, names
from threadrun.status import Outcome, Stage
from worker.decide.decision import Rest, ThreadMove


def test_it_waits_until_the_mailbox_names_it():
    assert decide(a_run(Stage.WAITING, my_turn=False)) == Rest(30_000)


def test_it_goes_to_create_at_once_when_it_is_its_turn():
    move = moved(decide(a_run(Stage.WAITING, my_turn=True)))

    assert (move.stage, move.delay_ms, names(move.changes.events)) == (Stage.CREATE, 0, ["run.admitted"])


def test_it_is_there_when_its_deadline_passes():
    assert decide(a_run(Stage.WAITING, my_turn=False, deadline_ms=NOW + 700)) == Rest(700)


def test_a_wish_to_cancel_ends_it_at_once_without_asking_the_provider():
    move = moved(decide(a_run(Stage.WAITING, my_turn=False, cancel_ms=NOW - 1)))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.CANCELLED)
    assert move.changes.thread is ThreadMove.FREE


def test_its_deadline_ends_it_as_timed_out_even_when_its_turn_has_come():
    move = moved(decide(a_run(Stage.WAITING, deadline_ms=NOW)))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.TIMED_OUT)
