"""Attended runs: each is given up once, when its look is due, and a newer claim stands."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import pytest

from threadrun.status import Stage
from worker.attended import MARGIN_MS, Attended, AttendedRuns, attendable
from worker.redis_clock import RedisClock
from worker.view import RunView


@pytest.fixture
def turn(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr("worker.redis_clock.time", SimpleNamespace(monotonic=lambda: seconds[0]))

    def to(now_ms):
        seconds[0] = now_ms / 1000

    return to


def run_view(key="a", claim=1, **more):
    return RunView(key, "default", Stage.POLL, 1, claim, "0", 0, 600_000, **more)


def kept(*looks):
    runs = AttendedRuns()
    clock = RedisClock(0)
    for key, claim, look_ms in looks:
        runs.keep(Attended(run_view(key, claim), clock, look_ms, look_ms + 5_000))
    return runs


def taken(runs):
    return [attended.run.key for attended in iter(runs.take_due, None)]


def test_those_whose_look_is_due_are_given_up_once_the_longest_due_first(turn):
    runs = kept(("late", 1, 900), ("first", 1, 100), ("second", 1, 500))
    turn(500)

    assert (runs.is_due, taken(runs), runs.is_due, len(runs)) == (True, ["first", "second"], False, 1)


def test_a_run_that_somebody_claims_is_forgotten(turn):
    runs = kept(("a", 1, 100), ("b", 1, 100))
    runs.drop("a")
    turn(100)

    assert taken(runs) == ["b"]


def test_what_an_older_claim_leaves_does_not_replace_a_newer_one(turn):
    runs = kept(("a", 2, 700), ("a", 1, 100))
    turn(100)
    assert taken(runs) == []
    turn(700)
    assert taken(runs) == ["a"]


def test_a_later_word_of_the_same_claim_replaces_the_earlier(turn):
    runs = kept(("a", 1, 100), ("a", 1, 300))
    turn(300)

    assert taken(runs) == ["a"]


def test_a_run_that_is_due_for_everybody_by_now_is_forgotten(turn):
    runs = kept(("late", 1, 100), ("later", 1, 600))
    turn(5_100)

    assert (taken(runs), len(runs)) == (["later"], 0)


def test_all_are_given_up_at_once_when_the_worker_drains(turn):
    runs = kept(("a", 1, 100), ("b", 1, 9_000))

    assert [attended.run.key for attended in runs.take_all()] == ["a", "b"]
    turn(9_000)
    assert (len(runs), taken(runs)) == (0, [])


def test_runs_that_are_claimed_again_and_again_leave_nothing_behind(turn):
    runs = kept(("a", 1, 3_600_000), ("b", 1, 7_200_000))
    clock = RedisClock(0)
    before = weakref.WeakSet()
    for claim in range(2, 50):
        runs.drop("a")
        attended = Attended(run_view("a", claim), clock, 3_600_000, 3_605_000)
        before.add(attended.run)
        runs.keep(attended)
    del attended

    assert len(before) < 10
    turn(3_600_000)
    assert taken(runs) == ["a"]
    turn(7_200_000)
    assert taken(runs) == ["b"]


@pytest.mark.parametrize(
    ("stage", "took_ms", "suspect", "may"),
    [
        (Stage.POLL, MARGIN_MS, False, True),
        (Stage.POLL, MARGIN_MS + 1, False, False),
        (Stage.TOOLS, 0, False, False),
        (Stage.POLL, 0, True, False),
    ],
)
def test_only_a_run_at_work_whose_looks_are_quick_and_that_has_killed_nobody_is_attended(
    stage, took_ms, suspect, may
):
    assert attendable(run_view(suspect=suspect), stage, took_ms) is may
