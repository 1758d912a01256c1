"""One tool call in a child: claimed, its handler entered, its output settled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.errors import ToolError
from threadrun.status import CallState, Stage
from threadrun.tools import ToolContext, ToolRegistry, ToolResult, ToolTimeout, tool
from worker.handlers import HandlerRuntime, _interrupted_after
from worker.store.ledger import CallAddress

seen: list[ToolContext] = []


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool(name="who", timeout_seconds=20)
def who(ctx: ToolContext) -> str:
    seen.append(ctx)
    return "me"


@tool(name="rude")
def rude() -> str:
    raise ToolError("ask me nicely")


@tool(name="broken")
def broken() -> str:
    raise LookupError("secret of the house")


@tool(name="slow", timeout_seconds=0.2)
def slow() -> str:
    time.sleep(30)
    return "never"


@tool(name="slow_async", timeout_seconds=0.2)
async def slow_async() -> str:
    await asyncio.sleep(30)
    return "never"


@tool(name="flaky", retries=1, idempotent=True)
def flaky() -> str:
    raise OSError("again")


@tool(name="odd")
def odd() -> Any:
    return object()


REGISTRY = ToolRegistry([f.tool for f in (add, who, rude, broken, slow, slow_async, flaky, odd)])


@pytest.fixture
def house() -> Ledgerful:
    seen.clear()
    return Ledgerful()


@pytest.fixture
def runtime(house) -> Iterator[HandlerRuntime]:
    built = HandlerRuntime(house.redis, house.keys, WORKER, REGISTRY)
    yield built
    built.close()


def error_of(house, at: CallAddress) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(house.row(at).output)["error"]
    return told


def test_a_call_is_claimed_run_and_settled_and_the_run_moves_on_to_submit(house, runtime):
    at = house.call("add", {"a": 3, "b": 4})

    with capture_logs() as logs:
        assert runtime.execute(at) == "settled"
    assert [line["event"] for line in logs] == ["tool.claimed", "tool.settled", "run.outputs_ready"]
    row = house.row(at)
    assert (row.state, row.output, row.kind, row.attempts, row.worker) == (
        CallState.SETTLED,
        "7",
        "ok",
        1,
        WORKER,
    )
    assert house.record(at).stage is Stage.SUBMIT
    assert house.events(at)[-3:] == ["tool.claimed", "tool.settled", "run.outputs_ready"]


def test_the_handler_knows_which_call_it_serves(house, runtime):
    at = house.call("who")
    runtime.execute(at)
    (context,) = seen

    assert (context.run_key, context.run_id, context.thread_id) == (at.run_key, "run_1", "thread_1")
    assert (context.attempt, context.tool_call_id) == (1, "call_1")
    assert context.idempotency_key == f"{at.run_key}:1:0"
    assert dict(context.metadata) == {"unit": "celsius"}
    assert 15 < (context.deadline - datetime.now(UTC)).total_seconds() <= 20


def test_no_handler_may_run_longer_than_the_run_allows(house, runtime):
    runtime.execute(house.call("who", until_seconds=5))

    assert (seen[0].deadline - datetime.now(UTC)).total_seconds() <= 5


# What is not run.


@pytest.mark.parametrize("coordinates", [(1, 7), (2, 0), (-1, -1)])
def test_a_message_for_a_call_that_is_not_in_the_ledger_is_refused(house, runtime, coordinates):
    at = house.call("add", {"a": 3, "b": 4})
    before = house.redis.hgetall(house.keys.calls(at.run_key))
    with capture_logs() as logs:
        assert runtime.execute(CallAddress(at.run_key, *coordinates)) == "unknown"

    assert runtime.execute(CallAddress("nobody", 1, 0)) == "unknown"
    assert [line["event"] for line in logs] == ["tool.refused_unknown"]
    assert house.redis.hgetall(house.keys.calls(at.run_key)) == before
    assert house.redis.exists(house.keys.run("nobody")) == 0


def test_a_tool_that_this_worker_does_not_have_is_passed_on_to_another(house, runtime):
    at = house.call("elsewhere", sent=True)

    with capture_logs() as logs:
        assert runtime.execute(at) == "not_served_here"
    assert (house.row(at).state, house.row(at).attempts) == (CallState.PENDING, 0)
    assert "tool.claimed" not in house.events(at)
    assert house.redis.hget(house.keys.calls(at.run_key), "1:0:sends") == "0"
    due = house.redis.zscore(house.keys.agenda(Stage.TOOLS, "default"), at.run_key)
    assert due <= house.redis.time()[0] * 1000 + 1000
    assert [(line["event"], line["tool"], line["round"], line["index"]) for line in logs] == [
        ("tool.not_served_here", "elsewhere", 1, 0)
    ]


def test_a_second_message_for_a_call_runs_nothing(house, runtime):
    at = house.call("who")

    assert [runtime.execute(at), runtime.execute(at)] == ["settled", "gone"]
    assert len(seen) == 1


def test_a_call_claimed_by_a_living_worker_is_not_run_beside_it(house, runtime):
    at = house.call("who")
    house.redis.hset(house.keys.calls(at.run_key), mapping={"1:0:state": "claimed", "1:0:token": "other"})

    assert runtime.execute(at) == "taken"
    assert seen == []


def test_a_call_whose_time_is_over_is_not_begun(house, runtime):
    at = house.call("who", until_seconds=-1)

    assert runtime.execute(at) == "late"
    assert (seen, house.row(at).state) == ([], CallState.PENDING)


def test_a_call_of_a_run_that_moved_on_is_not_begun(house, runtime):
    at = house.call("who")
    house.leave_tools()

    assert runtime.execute(at) == "gone"
    assert (seen, house.row(at).state) == ([], CallState.WITHDRAWN)


# How it can end.


def test_arguments_that_do_not_fit_are_answered_with_paths_and_the_handler_is_not_entered(house, runtime):
    at = house.call("add", {"a": "x"})
    runtime.execute(at)

    told = error_of(house, at)
    assert (house.row(at).kind, told["kind"]) == ("invalid_arguments", "invalid_arguments")
    assert {problem["path"] for problem in told["problems"]} == {"a", "b"}


def test_what_a_tool_error_says_is_for_the_model(house, runtime):
    at = house.call("rude")
    runtime.execute(at)

    assert error_of(house, at)["message"] == "ask me nicely"


def test_any_other_exception_is_masked_for_the_model_placed_in_the_log_and_whole_in_the_record(
    house, runtime
):
    at = house.call("broken")
    with capture_logs() as logs:
        runtime.execute(at)

    row, told = house.row(at), error_of(house, at)
    assert "secret" not in row.output
    assert "LookupError: secret of the house" in row.error
    (failed,) = [line for line in logs if line["event"] == "tool.failed"]
    assert failed["reference"] == told["reference"]
    assert (failed["tool"], failed["round"], failed["index"], failed["attempt"]) == ("broken", 1, 0, 1)
    assert "LookupError" in failed["places"]
    assert "in broken" in failed["places"]
    assert "secret of the house" not in str(logs)


@pytest.mark.parametrize("name", ["slow", "slow_async"])
def test_a_handler_is_interrupted_at_its_deadline(house, runtime, name):
    at = house.call(name)
    began = time.monotonic()
    runtime.execute(at)

    assert time.monotonic() - began < 5
    assert (house.row(at).kind, error_of(house, at)["kind"]) == ("timeout", "timeout")


def test_an_interrupted_child_serves_the_next_call(house, runtime):
    runtime.execute(house.call("slow_async"))
    at = house.call("add", {"a": 1, "b": 1})

    assert runtime.execute(at) == "settled"
    assert house.row(at).output == "2"


def test_an_output_that_json_cannot_say_is_no_reason_to_run_the_handler_again(house, runtime):
    at = house.call("odd")
    runtime.execute(at)

    assert (house.row(at).kind, house.row(at).state) == ("unserialisable", CallState.SETTLED)


def test_an_alarm_that_comes_after_the_handler_has_ended_takes_nothing_back(monkeypatch):
    @contextmanager
    def late_alarm(_seconds: float) -> Iterator[None]:
        yield
        raise ToolTimeout("too late")

    monkeypatch.setattr("worker.handlers.alarm_after", late_alarm)
    done = ToolResult("7")

    assert _interrupted_after(1, lambda: done) is done


def test_an_alarm_that_comes_before_the_handler_begins_is_a_timeout(monkeypatch):
    def never_entered() -> ToolResult:
        raise ToolTimeout("at once")

    assert _interrupted_after(1, never_entered).kind == "timeout"


# Retries.


def test_a_failed_call_is_given_back_with_a_pause_and_settled_when_its_retries_are_used_up(house, runtime):
    at = house.call("flaky", idempotent=True)

    assert runtime.execute(at) == "reopened"
    fields = house.redis.hgetall(house.keys.calls(at.run_key))
    assert (fields["1:0:state"], fields["1:0:sends"]) == ("pending", "0")
    seconds, micro = house.redis.time()
    pause_ms = int(fields["1:0:not_before_ms"]) - (seconds * 1000 + micro / 1000)
    assert 0 < pause_ms <= 1_000
    assert house.record(at).stage is Stage.TOOLS

    assert runtime.execute(at) == "settled"
    assert (house.row(at).kind, house.row(at).attempts) == ("exception", 2)


def test_the_run_is_looked_at_when_a_call_was_given_back(house, runtime):
    at = house.call("flaky", idempotent=True)
    runtime.execute(at)
    due = house.redis.zscore(house.keys.agenda(Stage.TOOLS, "default"), at.run_key)

    assert due <= time.time() * 1000


def test_a_retry_after_the_run_moved_on_is_late_and_writes_nothing(house, runtime, monkeypatch):
    at = house.call("flaky", idempotent=True)
    reopen = runtime._ledger.reopen

    def moved_on(*args: Any, **named: Any) -> Any:
        house.leave_tools()
        house.events_before = house.events(at)
        return reopen(*args, **named)

    monkeypatch.setattr(runtime._ledger, "reopen", moved_on)
    with capture_logs() as logs:
        assert runtime.execute(at) == "late"

    assert house.events(at) == house.events_before
    assert house.row(at).state is CallState.CLAIMED
    assert "tool.reopened" not in [line["event"] for line in logs]


# Redis, and the end of the run, meanwhile.


def test_a_settle_is_repeated_until_redis_answers_and_the_handler_is_not(house, runtime, monkeypatch):
    monkeypatch.setattr("worker.handlers.SETTLE_PAUSE_SECONDS", 0)
    at = house.call("who")
    settle, left = runtime._ledger.settle, [RedisConnectionError("gone")] * 3

    def failing(*args: Any, **named: Any) -> Any:
        if left:
            raise left.pop()
        return settle(*args, **named)

    monkeypatch.setattr(runtime._ledger, "settle", failing)

    assert runtime.execute(at) == "settled"
    assert (len(seen), house.row(at).output) == (1, "me")


def test_a_settle_that_redis_never_takes_ends_with_the_claim(house, runtime, monkeypatch):
    monkeypatch.setattr("worker.handlers.SETTLE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("worker.handlers.SETTLE_GRACE_SECONDS", 0)
    at = house.call("who", until_seconds=0.3)

    def failing(*_args: Any, **named: Any) -> Any:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(runtime._ledger, "settle", failing)
    with pytest.raises(RedisConnectionError):
        runtime.execute(at)

    assert house.row(at).state is CallState.CLAIMED  # the engine judges it by its deadline


def test_what_a_handler_took_is_not_waited_for_again_when_redis_is_away(house, runtime, monkeypatch):
    """The claim's deadline counts from the claim, not from the moment at which the handler ended."""
    at = house.call("slow", until_seconds=600)  # its handler is interrupted after 0.2 s

    def failing(*_args: Any, **named: Any) -> Any:
        raise RedisConnectionError("gone")

    begun = time.monotonic()
    monkeypatch.setattr("worker.handlers.SETTLE_GRACE_SECONDS", 0)
    monkeypatch.setattr("worker.handlers.SETTLE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runtime._ledger, "settle", failing)
    with pytest.raises(RedisConnectionError):
        runtime.execute(at)

    assert time.monotonic() - begun < 0.35


def test_an_output_that_comes_after_the_run_moved_on_is_logged_as_late_and_changes_nothing(house, runtime):
    at = house.call("who")
    settle = runtime._ledger.settle

    def moved_on(*args: Any, **named: Any) -> Any:
        house.leave_tools()
        house.events_before = house.events(at)
        return settle(*args, **named)

    runtime._ledger.settle = moved_on
    with capture_logs() as logs:
        assert runtime.execute(at) == "late"

    assert "tool.settled_late" in [line["event"] for line in logs]
    assert house.events(at) == house.events_before
    assert (house.row(at).state, house.row(at).output) == (CallState.CLAIMED, None)
