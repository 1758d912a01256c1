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
    assert made.read(NOW_MS, hand.seconds) is None
    return made


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS, 6_000, -6_000])
def test_a_jump_is_measured(watch: JumpWatch, hand: Hand, jump_ms: int) -> None:
    hand.seconds += 0.05

    assert watch.doubts(NOW_MS + 50 + jump_ms) == (abs(jump_ms) > 15_000)
    assert watch.read(NOW_MS + 50 + jump_ms, hand.seconds) == jump_ms


@pytest.mark.parametrize("seconds", [0.05, 60.0, 7_200.0])
def test_time_that_passes_on_both_clocks_is_no_jump(watch: JumpWatch, hand: Hand, seconds: float) -> None:
    hand.seconds += seconds

    assert not watch.doubts(NOW_MS + round(seconds * 1000))
    assert watch.read(NOW_MS + round(seconds * 1000), hand.seconds) == 0


@pytest.mark.parametrize("told_after", [0.0, 9.0])
def test_an_answer_that_is_long_on_its_way_is_no_jump(
    watch: JumpWatch, hand: Hand, told_after: float
) -> None:
    """Redis may have read its clock at any time between question and answer."""
    asked_at = hand.seconds
    hand.seconds += 9.0

    assert watch.read(NOW_MS + round(told_after * 1000), asked_at) == 0
    assert watch.read(NOW_MS + 9_000, hand.seconds) == 0


def test_a_jump_that_follows_upon_another_is_measured_too(watch: JumpWatch, hand: Hand) -> None:
    assert watch.read(NOW_MS + HOUR_MS, hand.seconds) == HOUR_MS
    watch.take_out(HOUR_MS)

    assert not watch.doubts(NOW_MS)
    assert watch.read(NOW_MS - HOUR_MS, hand.seconds) == -HOUR_MS
