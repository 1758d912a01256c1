"""Redis's clock jumps: noticed against the monotonic clock, and only then."""

from __future__ import annotations

import pytest

from worker.redis_clock import JumpWatch

HOUR_MS = 3_600_000
NOW_MS = 1_790_000_000_000


class Hand:
    """Turn a monotonic clock by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def watch(hand: Hand) -> JumpWatch:
    made = JumpWatch(hand)
    assert made.latest_ms > NOW_MS + HOUR_MS
    assert made.read(NOW_MS, 0, hand.seconds) == 0
    return made


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS, 6_000, -6_000])
def test_a_jump_is_told_of_until_it_is_taken_out(watch: JumpWatch, hand: Hand, jump_ms: int) -> None:
    for passed_ms in (50, 100):
        hand.seconds += 0.05
        assert watch.read(NOW_MS + passed_ms + jump_ms, NOW_MS, hand.seconds) == jump_ms
    assert watch.believed_ms == NOW_MS

    assert watch.read(NOW_MS + 100, NOW_MS, hand.seconds) == 0
    assert watch.believed_ms == NOW_MS + 100


@pytest.mark.parametrize("seconds", [0.05, 60.0, 7_200.0])
def test_time_that_passes_on_both_clocks_is_no_jump(watch: JumpWatch, hand: Hand, seconds: float) -> None:
    hand.seconds += seconds

    assert NOW_MS + round(seconds * 1000) < watch.latest_ms < NOW_MS + round(seconds * 1000) + 20_000
    assert watch.read(NOW_MS + round(seconds * 1000), NOW_MS, hand.seconds) == 0


@pytest.mark.parametrize("told_after", [0.0, 9.0])
def test_an_answer_that_is_long_on_its_way_is_no_jump(
    watch: JumpWatch, hand: Hand, told_after: float
) -> None:
    """Redis may have read its clock at any time between question and answer."""
    asked_at = hand.seconds
    hand.seconds += 9.0

    assert watch.read(NOW_MS + round(told_after * 1000), NOW_MS, asked_at) == 0
    assert watch.read(NOW_MS + 9_000, NOW_MS, hand.seconds) == 0


def test_time_that_others_have_seen_has_passed_for_who_slept(watch: JumpWatch, hand: Hand) -> None:
    assert watch.read(NOW_MS + HOUR_MS, NOW_MS + HOUR_MS - 50, hand.seconds) == 0


def test_the_clock_is_not_set_back_behind_what_others_have_seen(watch: JumpWatch, hand: Hand) -> None:
    assert watch.read(NOW_MS + 2 * HOUR_MS, NOW_MS + HOUR_MS, hand.seconds) == HOUR_MS


def test_who_begins_believes_in_any_time_but_one_before_what_others_have_seen(hand: Hand) -> None:
    watch = JumpWatch(hand)

    assert watch.read(NOW_MS - HOUR_MS, NOW_MS, hand.seconds) == -HOUR_MS
    assert watch.believed_ms == 0
    assert watch.read(NOW_MS + HOUR_MS, NOW_MS, hand.seconds) == 0
