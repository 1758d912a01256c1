"""What a handler may know of its call."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from threadrun.errors import StoreUnavailable
from threadrun.testing.tool_calls import sample_context
from threadrun.tools.context import CancelWatch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Store:
    """Answers from a list, and counts how often it is asked."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_store_is_asked_at_most_once_a_second():
    store, clock = Store(False, False), Clock()
    watch = CancelWatch(store, clock)
    assert [watch(), watch()] == [False, False]
    clock.seconds += 0.99
    assert watch() is False
    assert store.asked == 1
    clock.seconds += 0.02
    assert watch() is False
    assert store.asked == 2


def test_a_yes_is_never_asked_for_again():
    store, clock = Store(True), Clock()
    watch = CancelWatch(store, clock)
    assert watch() is True
    clock.seconds += 10
    assert watch() is True
    assert store.asked == 1


def test_the_last_answer_stands_while_the_store_is_silent():
    store, clock = Store(StoreUnavailable("down"), True), Clock()
    watch = CancelWatch(store, clock)
    assert watch() is False
    assert watch() is False
    assert store.asked == 1, "a silent store is not asked more often either"
    clock.seconds += 1
    assert watch() is True


def test_a_context_caches_what_it_is_told_of_the_cancellation():
    store = Store(False)
    context = sample_context(ask_cancelled=store)
    assert [context.cancelled(), context.cancelled()] == [False, False]
    assert sample_context().cancelled() is False
    assert sample_context(ask_cancelled=lambda: True).cancelled() is True


def test_remaining_seconds_count_down_to_zero_on_the_clock_of_the_deadline():
    now = [NOON]
    context = sample_context(deadline=NOON + timedelta(seconds=30), clock=lambda: now[0])
    assert context.remaining_seconds() == 30
    now[0] += timedelta(seconds=29.5)
    assert context.remaining_seconds() == 0.5
    now[0] += timedelta(seconds=5)
    assert context.remaining_seconds() == 0


def test_a_context_cannot_be_changed():
    metadata = {"team": "north"}
    context = sample_context(metadata=metadata)
    with pytest.raises(dataclasses.FrozenInstanceError):
        context.attempt = 2
    with pytest.raises(TypeError):
        context.metadata["team"] = "south"
    metadata["team"] = "south"
    assert context.metadata == {"team": "north"}


def test_another_attempt_keeps_the_idempotency_key():
    first = sample_context(idempotency_key="order-1:0")
    second = dataclasses.replace(first, attempt=2)
    assert (second.attempt, second.idempotency_key) == (2, "order-1:0")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [({"deadline": datetime(2026, 1, 1)}, "no time zone"), ({"attempt": 0}, "counted from 1")],
)
def test_an_impossible_context_is_refused(overrides, said):
    with pytest.raises(ValueError, match=said):
        sample_context(**overrides)


def test_the_representation_shows_ids_and_no_content():
    shown = repr(sample_context(metadata={"name": "Ana Secret"}))
    assert "run_sample" in shown
    assert "Ana Secret" not in shown


def test_the_logger_is_a_structlog_logger():
    with capture_logs() as logs:
        sample_context().log.info("weather.fetched", city="Lima")
    assert logs == [{"event": "weather.fetched", "city": "Lima", "log_level": "info"}]
