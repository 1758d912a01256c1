"""The helpers with which users test their own tools."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from threadrun.errors import ToolError
from threadrun.testing.tool_calls import call_tool, sample_context
from threadrun.tools import ToolContext, ToolResultKind, tool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def book():
    @tool(timeout_seconds=5)
    def book(ctx: ToolContext, day: date) -> str:
        """Book a day."""
        if day.year < 2000:
            raise ToolError("too early")
        return f"{ctx.run_key} {day} {ctx.remaining_seconds()}"

    return book


def test_a_function_and_its_tool_can_be_called_alike(book):
    for called in (book, book.tool):
        result = call_tool(called, {"day": date(2026, 1, 2)}, clock=lambda: NOON, run_key="mine")
        assert result.output == "mine 2026-01-02 5.0", "the deadline is the tool's timeout from now"


def test_arguments_may_be_the_text_that_a_model_writes(book):
    assert call_tool(book, '{"day": "1999-01-02"}').kind is ToolResultKind.TOOL_ERROR
    assert call_tool(book, '{"day": ').kind is ToolResultKind.INVALID_ARGUMENTS
    assert json.loads(call_tool(book).output)["error"]["problems"] == [
        {"path": "day", "message": "is required"}
    ]


def test_a_handler_that_raises_is_shown_with_its_own_cause_alone():
    @tool
    def boom() -> str:
        raise LookupError("no such shelf")

    result = call_tool(boom)
    assert result.error.startswith("Traceback")
    assert result.error.endswith("LookupError: no such shelf\n")
    assert "RuntimeError" not in result.error + result.places


def test_an_undecorated_function_is_refused():
    with pytest.raises(TypeError, match="decorate it with @tool"):
        call_tool(len)


def test_an_unknown_override_is_refused(book):
    with pytest.raises(TypeError, match="thread"):
        call_tool(book, thread="t")


def test_a_sample_context_is_due_in_a_minute_of_its_clock():
    assert sample_context(clock=lambda: NOON).deadline == NOON + timedelta(seconds=60)
    assert 59 < sample_context().remaining_seconds() <= 60


async def test_tools_can_be_called_from_async_tests():
    @tool
    async def ping() -> str:
        await asyncio.sleep(0)
        return "pong"

    assert call_tool(ping).output == "pong"
