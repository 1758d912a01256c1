"""Who may judge whether another is dead."""

from __future__ import annotations

import pytest

from worker.observer import Judging, Observer


class Turned:
    def __init__(self) -> None:
        self.seconds = 100.0
        self.observer = Observer(5, 15, monotonic=lambda: self.seconds)

    def watch(self, seconds: int, run_id: str = "redis-1") -> Observer:
        """See Redis every five seconds."""
        for _ in range(seconds // 5):
            self.seconds += 5
            self.observer.saw_redis(run_id)
        return self.observer


@pytest.fixture
def turned() -> Turned:
    return Turned()


def test_who_has_just_begun_judges_nobody(turned):
    assert not turned.observer.may_judge()
    assert not turned.watch(15).may_judge()  # the first sight began the 15 s
    assert turned.watch(5).may_judge()


def test_a_gap_begins_the_fifteen_seconds_anew(turned):
    turned.watch(60)
    turned.seconds += 10.1
    assert not turned.observer.may_judge()
    turned.observer.saw_redis("redis-1")

    assert not turned.watch(10).may_judge()
    assert turned.watch(5).may_judge()


def test_one_late_heartbeat_is_no_gap(turned):
    turned.watch(60)
    turned.seconds += 9.9
    turned.observer.saw_redis("redis-1")

    assert turned.observer.may_judge()


def test_another_run_id_of_redis_is_a_gap_though_none_was_seen(turned):
    turned.watch(60)
    assert not turned.watch(15, "redis-2").may_judge()

    assert turned.watch(5, "redis-2").may_judge()


def test_after_a_gap_creates_are_careful_for_a_minute(turned):
    turned.watch(60)
    assert not turned.observer.was_disturbed()
    turned.watch(5, "redis-2")
    assert turned.observer.was_disturbed()

    assert turned.watch(55, "redis-2").was_disturbed()
    assert not turned.watch(5, "redis-2").was_disturbed()


def test_a_connection_that_meets_another_server_is_a_gap_before_any_heartbeat(turned):
    turned.watch(60)
    turned.observer.met_server("redis-1")
    assert turned.observer.may_judge()
    turned.observer.met_server("redis-2")

    assert turned.observer.was_disturbed()
    assert not turned.watch(10, "redis-2").may_judge()
    assert turned.watch(5, "redis-2").may_judge()


def test_who_comes_after_a_failover_is_careful_for_what_is_left_of_the_minute(turned):
    turned.observer.saw_redis("redis-2", known_seconds=50)
    assert turned.observer.was_disturbed()
    turned.seconds += 10

    assert not turned.observer.was_disturbed()


def test_who_finds_a_lapsed_claim_judges_its_holder_as_soon_as_it_can(turned):
    assert turned.observer.judging is Judging.LATER
    assert turned.watch(15).judging is Judging.LATER
    assert turned.watch(5).judging is Judging.YES


def test_after_redis_was_away_lapsed_claims_are_taken_over_without_a_judgement(turned):
    turned.watch(60)
    turned.seconds += 10.1
    assert turned.observer.judging is Judging.NO
    turned.observer.saw_redis("redis-1")

    assert turned.observer.judging is Judging.NO
    assert turned.watch(15).judging is Judging.YES


def test_dead_is_whose_heartbeat_is_too_old_or_gone(turned):
    observer = turned.watch(60)
    now_ms = 1_000_000
    beats = {"fresh": now_ms - 15_000.0, "old": now_ms - 15_001.0, "gone": None}

    assert observer.dead(beats, now_ms) == {"old", "gone"}


def test_nobody_is_dead_for_who_may_not_judge(turned):
    observer = turned.watch(60)
    turned.seconds += 11

    assert observer.dead({"gone": None}, 1_000_000) == frozenset()


def test_who_starts_believes_the_others_about_the_time_before(turned):
    turned.observer.saw_redis("redis-1", steady_seconds=20)
    assert turned.observer.may_judge()


def test_a_gap_of_ones_own_counts_whatever_the_others_saw(turned):
    turned.observer.saw_redis("redis-1", steady_seconds=20)
    turned.seconds += 10.1
    turned.observer.saw_redis("redis-1", steady_seconds=30)

    assert not turned.observer.may_judge()
