"""A handler that runs out of time: by the alarm, at its deadline, and while it cleans up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, model_serializer

from tests.unit.tool_results import failing, told
from threadrun.errors import ToolError
from threadrun.testing.tool_calls import call_tool, sample_context
from threadrun.tools import ToolResult, ToolResultKind, ToolTimeout, tool


def test_an_alarm_in_a_sync_handler_ends_as_a_timeout():
    cleaned = []

    @tool
    def spin() -> None:
        try:
            while True:
                with contextlib.suppress(Exception):  # handlers do this, and must still be stopped
                    time.sleep(0.001)
        finally:
            cleaned.append(True)

    result = with_alarm(0.05, lambda: spin.tool.call("", sample_context()))
    assert result.kind is ToolResultKind.TIMEOUT
    assert told(result) == {"kind": "timeout", "message": "The tool did not finish within its time limit."}
    assert "in spin" in result.error, "the record shows where it hung"
    assert cleaned == [True]


def test_an_alarm_in_a_blocking_async_handler_ends_as_a_timeout():
    @tool
    async def spin() -> None:
        while True:
            time.sleep(0.001)  # noqa: ASYNC251 - a handler that blocks the loop

    with asyncio.Runner() as runner:
        result = with_alarm(0.05, lambda: spin.tool.call("", sample_context(), runner=runner))
        assert result.kind is ToolResultKind.TIMEOUT
        assert leftovers(runner) == 0


def test_an_alarm_while_the_loop_waits_cancels_the_handler_and_leaves_nothing_behind():
    cleaned = []

    @tool
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with asyncio.Runner() as runner:
        result = with_alarm(0.05, lambda: wait.tool.call("", sample_context(), runner=runner))
        assert result.kind is ToolResultKind.TIMEOUT
        assert cleaned == [True]
        assert leftovers(runner) == 0


def test_an_alarm_after_which_the_handler_cannot_clean_up_leaves_no_complaint_of_asyncio(caplog):
    @tool
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("connection is gone")

    with asyncio.Runner() as runner:
        result = with_alarm(0.05, lambda: wait.tool.call("", sample_context(), runner=runner))
    assert result.kind is ToolResultKind.TIMEOUT
    del result
    gc.collect()
    assert caplog.records == []


def test_an_async_handler_is_cancelled_at_its_deadline_without_any_alarm():
    cleaned = []

    @tool(timeout_seconds=0.05)
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    result = call_tool(wait)
    assert result.kind is ToolResultKind.TIMEOUT
    assert cleaned == [True]


def test_a_timeout_error_of_the_handlers_own_is_not_the_deadline():
    @tool
    async def fetch() -> None:
        async with asyncio.timeout(0):
            await asyncio.sleep(1)

    assert call_tool(fetch).kind is ToolResultKind.EXCEPTION


def test_a_timeout_inside_a_task_group_is_a_timeout():
    @tool
    async def spread() -> None:
        async def part(error: BaseException) -> None:
            raise error

        async with asyncio.TaskGroup() as group:
            group.create_task(part(ToolTimeout()))
            group.create_task(part(ValueError()))

    assert call_tool(spread).kind is ToolResultKind.TIMEOUT


def test_an_error_while_cleaning_up_after_the_alarm_is_still_a_timeout():
    @tool
    def fail() -> None:
        try:
            raise ToolTimeout
        finally:
            raise OSError("connection is gone")

    result = call_tool(fail)
    assert result.kind is ToolResultKind.TIMEOUT
    assert "connection is gone" in result.error


def test_a_handler_may_tell_the_model_about_its_timeout():
    @tool
    def fail() -> None:
        try:
            raise ToolTimeout  # noqa: TRY301 - as the alarm does
        except ToolTimeout:
            raise ToolError("ask for fewer days") from None

    assert call_tool(fail).kind is ToolResultKind.TOOL_ERROR


def test_a_handler_is_not_entered_after_its_deadline():
    entered = []

    @tool
    def late() -> None:
        entered.append(True)

    result = call_tool(late, deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert result.kind is ToolResultKind.TIMEOUT
    assert entered == []


def test_an_alarm_while_the_value_is_serialised_is_a_timeout():
    now = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Slow(BaseModel):
        @model_serializer
        def _never_done(self) -> str:
            now[0] += timedelta(seconds=61)
            raise ToolTimeout

    @tool
    def give() -> Slow:
        return Slow()

    assert call_tool(give, clock=lambda: now[0]).kind is ToolResultKind.TIMEOUT


def test_an_alarm_while_a_failure_is_masked_is_a_timeout():
    class SlowError(Exception):
        def __str__(self) -> str:
            raise ToolTimeout

    result = call_tool(failing(ToolError(SlowError())))
    assert result.kind is ToolResultKind.TIMEOUT


def with_alarm(seconds: float, call: Any) -> ToolResult:
    def ring(number: int, frame: Any) -> None:
        raise ToolTimeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def leftovers(runner: asyncio.Runner) -> int:
    return len(asyncio.all_tasks(runner.get_loop()))
