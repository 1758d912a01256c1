"""A child that was killed: its parent reports what the child had claimed."""

from __future__ import annotations

from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.status import CallState, OnUnknown, Stage
from worker import call_request
from worker.call_request import CallRequest
from worker.lost_child import LostChild
from worker.store.ledger import CallAddress

PID = 4711
"""The child that claimed the call."""


@pytest.fixture
def house() -> Ledgerful:
    return Ledgerful()


@pytest.fixture
def lost(house) -> LostChild:
    return LostChild(house.redis, house.keys, WORKER)


def claimed(house, *, worker: str = WORKER, attempts: int = 1, **row: Any) -> CallAddress:
    at = house.call("add", {"a": 1, "b": 2}, **row)
    fields = {"state": "claimed", "token": "t", "worker": worker, "pid": PID, "attempts": attempts}
    house.redis.hset(house.keys.calls(at.run_key), mapping={f"1:0:{name}": v for name, v in fields.items()})
    return at


def claim_again(house, at: CallAddress) -> None:
    house.redis.hset(house.keys.calls(at.run_key), "1:0:state", "claimed")


def test_a_child_killed_at_its_hard_limit_has_timed_out(house, lost):
    at = claimed(house, idempotent=True)

    assert lost.settle(at, PID, timed_out=True) == "settled"
    assert (house.row(at).kind, house.record(at).stage) == ("timeout", Stage.SUBMIT)


def test_a_killed_idempotent_call_is_run_again(house, lost):
    at = claimed(house, idempotent=True, attempts=2)

    with capture_logs() as logs:
        assert lost.settle(at, PID, timed_out=False) == "reopened"
    assert house.row(at).state is CallState.PENDING
    assert house.events(at)[-1] == "tool.reopened"
    assert [(line["event"], line["tool"], line["worker"]) for line in logs] == [
        ("tool.reopened", "add", WORKER)
    ]


def test_an_idempotent_call_that_killed_three_children_is_quarantined_and_run_no_more(house, lost):
    at = claimed(house, idempotent=True, attempts=5)
    for strike in (1, 2):
        assert lost.settle(at, PID, timed_out=False) == "reopened"
        assert house.row(at).deaths == strike
        claim_again(house, at)

    with capture_logs() as logs:
        assert lost.settle(at, PID, timed_out=False) == "settled"
    row = house.row(at)
    assert (row.kind, row.deaths, row.quarantined) == ("unknown_outcome", 3, True)
    assert house.events(at)[-3:] == ["tool.quarantined", "tool.settled", "run.outputs_ready"]
    assert [(line["event"], line["log_level"], line["tool"]) for line in logs if "tool" in line] == [
        ("tool.quarantined", "warning", "add"),
        ("tool.settled", "warning", "add"),
    ]
    assert {event.data["tool"] for event in house.record(at).transitions[-3:-1]} == {"add"}
    assert [one.state for one in house.client.quarantined()] == ["told"]


def test_a_handler_that_raised_often_has_not_killed_anybody(house, lost):
    at = claimed(house, idempotent=True, attempts=9)

    assert lost.settle(at, PID, timed_out=False) == "reopened"


def test_a_killed_call_of_a_tool_that_parks_waits_for_a_person(house, lost):
    at = claimed(house, on_unknown=OnUnknown.PARK)

    assert lost.settle(at, PID, timed_out=False) == "set_aside"
    assert lost.settle(at, PID, timed_out=False) == "not_ours"
    row, record = house.row(at), house.record(at)
    assert (row.state, row.kind, row.output, record.stage) == (
        CallState.UNKNOWN, "unknown_outcome", None, Stage.TOOLS,
    )  # fmt: skip
    assert [(one.place, one.state) for one in house.client.quarantined()] == [(f"{at.run_key}/1/0", "parked")]


def test_a_call_killed_at_its_limit_is_left_to_its_tools_choice_too(house, lost):
    at = claimed(house, on_unknown=OnUnknown.FAIL, idempotent=True)

    assert lost.settle(at, PID, timed_out=True) == "set_aside"
    assert (house.row(at).kind, house.events(at)[-1]) == ("timeout", "tool.outcome_unknown")
    assert house.client.quarantined() == ()


def test_the_outcome_of_any_other_killed_call_is_unknown(house, lost):
    at = claimed(house)

    lost.settle(at, PID, timed_out=False)
    assert house.row(at).kind == "unknown_outcome"
    assert "whether it had an effect is unknown" in house.row(at).output


def test_a_call_that_another_worker_claimed_is_not_touched(house, lost):
    at = claimed(house, worker="tools@there/9")

    assert lost.settle(at, PID, timed_out=False) == "not_ours"
    assert house.row(at).state is CallState.CLAIMED


def test_a_child_that_was_killed_over_a_second_message_leaves_the_call_to_the_one_that_runs_it(house, lost):
    at = claimed(house)

    assert lost.settle(at, PID + 1, timed_out=False) == "not_ours"
    assert house.row(at).state is CallState.CLAIMED


def test_a_child_that_had_settled_before_it_died_has_nothing_left_to_report(house, lost):
    at = claimed(house)
    lost.settle(at, PID, timed_out=False)

    assert lost.settle(at, PID, timed_out=True) == "not_ours"
    assert house.row(at).kind == "unknown_outcome"


def test_a_run_that_moved_on_is_told_nothing(house, lost):
    at = claimed(house)
    house.leave_tools()
    before = house.events(at)
    with capture_logs() as logs:
        assert lost.settle(at, PID, timed_out=False) == "late"

    assert house.events(at) == before
    assert [line["event"] for line in logs] == ["tool.settled_late"]


def test_a_call_that_never_was_is_not_made_up(house, lost):
    assert lost.settle(CallAddress("nobody", 1, 0), PID, timed_out=True) == "unknown"
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

    assert lost.settle(at, PID, timed_out=False) == "settled"
    assert len(pauses) == 2


def test_a_redis_that_stays_away_leaves_the_call_to_the_engine(house, lost, monkeypatch):
    monkeypatch.setattr("worker.lost_child.TRY_FOR_SECONDS", 0)

    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(house.redis, "hmget", down)
    assert lost.settle(CallAddress("k", 1, 0), PID, timed_out=True) == "left"


# What Celery's request of the call reports.


@pytest.fixture
def reported(monkeypatch) -> list[tuple[CallAddress, int, bool]]:
    found: list[tuple[CallAddress, int, bool]] = []

    class Now:
        """A thread that runs at once."""

        def __init__(self, target: Any, args: Any, kwargs: Any, daemon: bool) -> None:
            self.start = lambda: target(*args, **kwargs)

    class Tools:
        class lost_child:  # noqa: N801 - stands in for an attribute
            @staticmethod
            def settle(at: CallAddress, pid: int, *, timed_out: bool) -> None:
                found.append((at, pid, timed_out))

    monkeypatch.setattr(call_request.threading, "Thread", Now)
    monkeypatch.setattr(call_request.process, "_tools", Tools)
    monkeypatch.setattr(Request, "on_failure", lambda *args, **kwargs: None)
    monkeypatch.setattr(Request, "on_timeout", lambda *args: None)
    return found


def request(args: Any = ("k", 2, 1), pid: int | None = PID) -> CallRequest:
    made = CallRequest.__new__(CallRequest)
    made._args, made.worker_pid = args, pid
    return made


def failing(error: BaseException) -> ExceptionInfo:
    try:
        raise error  # noqa: TRY301 - as billiard makes it
    except BaseException:
        return ExceptionInfo()


@pytest.mark.parametrize(
    ("error", "timed_out"), [(TimeLimitExceeded(70), True), (WorkerLostError("9"), False)]
)
def test_a_killed_child_is_reported_with_its_call_and_its_process(reported, error, timed_out):
    request().on_failure(failing(error))

    assert reported == [(CallAddress("k", 2, 1), PID, timed_out)]


def test_a_child_about_to_be_killed_at_its_hard_limit_is_reported_as_timed_out(reported):
    request().on_timeout(soft=True, timeout=1)
    request().on_timeout(soft=False, timeout=1)

    assert reported == [(CallAddress("k", 2, 1), PID, True)]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), ValueError("x")])
def test_a_child_that_lives_is_not_reported_because_its_task_failed(reported, error):
    """Another child of the same worker may be running that very call."""
    request().on_failure(failing(error))

    assert reported == []


@pytest.mark.parametrize(("args", "pid"), [(("k",), PID), (("k", 1, 0), None)])
def test_without_a_call_or_a_child_there_is_nothing_to_report(reported, args, pid):
    request(args, pid).on_failure(failing(WorkerLostError("9")))

    assert reported == []
