"""A child that was killed: its parent reports what the child had claimed."""

from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.status import CallState, Stage
from worker import steps
from worker.lost_child import LostChild
from worker.store.ledger import CallAddress


@pytest.fixture
def house() -> Ledgerful:
    return Ledgerful()


@pytest.fixture
def lost(house) -> LostChild:
    return LostChild(house.redis, house.keys, WORKER)


def claimed(house, *, worker: str = WORKER, attempts: int = 1, **row: Any) -> CallAddress:
    at = house.call("add", {"a": 1, "b": 2}, **row)
    fields = {"state": "claimed", "token": "t", "worker": worker, "attempts": attempts, "deadline_ms": 1}
    house.redis.hset(house.keys.calls(at.run_key), mapping={f"1:0:{name}": v for name, v in fields.items()})
    return at


def test_a_child_killed_at_its_hard_limit_has_timed_out(house, lost):
    at = claimed(house, idempotent=True)

    assert lost.settle(at, timed_out=True) == "settled"
    assert (house.row(at).kind, house.record(at).stage) == ("timeout", Stage.SUBMIT)


def test_a_killed_idempotent_call_is_run_again(house, lost):
    at = claimed(house, idempotent=True, attempts=2)

    assert lost.settle(at, timed_out=False) == "reopened"
    assert house.row(at).state is CallState.PENDING
    assert house.events(at)[-1] == "tool.reopened"


def test_not_more_often_than_three_times(house, lost):
    at = claimed(house, idempotent=True, attempts=3)

    assert lost.settle(at, timed_out=False) == "settled"
    assert house.row(at).kind == "unknown_outcome"


def test_the_outcome_of_any_other_killed_call_is_unknown(house, lost):
    at = claimed(house)

    lost.settle(at, timed_out=False)
    assert house.row(at).kind == "unknown_outcome"
    assert "whether it had an effect is unknown" in house.row(at).output


def test_a_call_that_another_worker_claimed_is_not_touched(house, lost):
    at = claimed(house, worker="tools@there/9")

    assert lost.settle(at, timed_out=False) == "not_ours"
    assert house.row(at).state is CallState.CLAIMED


def test_a_child_that_had_settled_before_it_died_has_nothing_left_to_report(house, lost):
    at = claimed(house)
    lost.settle(at, timed_out=False)

    assert lost.settle(at, timed_out=True) == "not_ours"
    assert house.row(at).kind == "unknown_outcome"


def test_a_run_that_moved_on_is_told_nothing(house, lost):
    at = claimed(house)
    house.leave_tools()
    before = house.events(at)
    with capture_logs() as logs:
        assert lost.settle(at, timed_out=False) == "late"

    assert house.events(at) == before
    assert [line["event"] for line in logs] == ["tool.settled_late"]


def test_a_call_that_never_was_is_not_made_up(house, lost):
    assert lost.settle(CallAddress("nobody", 1, 0), timed_out=True) == "unknown"
    assert house.redis.keys("*nobody*") == []


def test_a_redis_that_is_away_is_waited_for(house, lost, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("worker.lost_child.time.sleep", pauses.append)
    at = claimed(house)
    hmget, left = house.redis.hmget, [RedisConnectionError("gone")] * 2

    def failing(*args: Any) -> Any:
        if left:
            raise left.pop()
        return hmget(*args)

    monkeypatch.setattr(house.redis, "hmget", failing)

    assert lost.settle(at, timed_out=False) == "settled"
    assert len(pauses) == 2


def test_a_redis_that_stays_away_leaves_the_call_to_the_engine(house, lost, monkeypatch):
    monkeypatch.setattr("worker.lost_child.TRY_FOR_SECONDS", 0)

    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(house.redis, "hmget", down)
    assert lost.settle(CallAddress("k", 1, 0), timed_out=True) == "left"


# Which failures of Celery's task mean a killed child.


class Task:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def reported(monkeypatch) -> list[tuple[CallAddress, bool]]:
    found: list[tuple[CallAddress, bool]] = []

    class Now:
        """A thread that runs at once."""

        def __init__(self, target: Any, args: Any, kwargs: Any, daemon: bool) -> None:
            self.start = lambda: target(*args, **kwargs)

    class Tools:
        class lost_child:  # noqa: N801 - stands in for an attribute
            @staticmethod
            def settle(at: CallAddress, *, timed_out: bool) -> None:
                found.append((at, timed_out))

    monkeypatch.setattr(steps.threading, "Thread", Now)
    monkeypatch.setattr(steps.process, "_tools", Tools)
    return found


@pytest.mark.parametrize(
    ("error", "timed_out"), [(TimeLimitExceeded(70), True), (WorkerLostError("9"), False)]
)
def test_a_killed_child_is_reported_with_its_call(reported, error, timed_out):
    steps._child_lost(sender=Task("tools.execute"), exception=error, args=["k", 2, 1])

    assert reported == [(CallAddress("k", 2, 1), timed_out)]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), ValueError("x")])
def test_a_child_that_lives_is_not_reported_because_its_task_failed(reported, error):
    """Another child of the same worker may be running that very call."""
    steps._child_lost(sender=Task("tools.execute"), exception=error, args=["k", 2, 1])

    assert reported == []


@pytest.mark.parametrize(
    ("name", "args"), [("shop.done", ["k", 1, 0]), ("tools.execute", ["k"]), ("tools.execute", None)]
)
def test_other_tasks_and_malformed_messages_are_not_reported(reported, name, args):
    steps._child_lost(sender=Task(name), exception=WorkerLostError("9"), args=args)

    assert reported == []
