"""Call a tool in a test as the model would: through validation, masking and truncation.

    result = call_tool(weather, {"city": "Lima"}, metadata={"unit": "celsius"})
    assert result.kind is ToolResultKind.OK

To test the function alone, call it as the plain function that it still is.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

import structlog
from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger

from threadrun.tools.calling import loop_is_running
from threadrun.tools.context import ToolContext
from threadrun.tools.decorator import ToolFunction
from threadrun.tools.definition import Tool
from threadrun.tools.results import ToolResult


class ContextOverrides(TypedDict, total=False):
    """Name what a test may set of a `ToolContext`; every key is a field of it."""

    run_key: str
    run_id: str
    thread_id: str
    tool_call_id: str
    attempt: int
    deadline: datetime
    idempotency_key: str
    metadata: Mapping[str, str]
    log: FilteringBoundLogger
    ask_cancelled: Callable[[], bool]
    clock: Callable[[], datetime]


def sample_context(**overrides: Unpack[ContextOverrides]) -> ToolContext:
    """Build a context for a handler under test, due in 60 s of the context's clock.

    Args:
        overrides: fields of `ToolContext`; `ask_cancelled=lambda: True` is a run that somebody cancelled.

    Raises:
        TypeError: an override is no field of `ToolContext`.
        ValueError: a field cannot be so, such as a deadline without time zone.
    """
    return _context(60.0, overrides)


def call_tool(
    function: ToolFunction[..., Any] | Tool,
    arguments: Mapping[str, Any] | str = "",
    **overrides: Unpack[ContextOverrides],
) -> ToolResult:
    """Call a tool as the model would, and give what the worker would store.

    An async handler's deadline holds as in a worker; the alarm that interrupts a sync handler there is not
    set here. May be called from an async test: the tool then runs in a thread of its own.

    Args:
        function: a function decorated with `@tool`, or its `Tool`.
        arguments: JSON text as the model writes it, or a mapping to write as JSON.
        overrides: fields of the `ToolContext`; the deadline is the tool's `timeout_seconds` from now.

    Raises:
        TypeError: the function is not decorated with `@tool`, or an override is no field of `ToolContext`.
    """
    tool = _tool_of(function)
    context = _context(tool.timeout_seconds, overrides)
    text = arguments if isinstance(arguments, str) else to_json(arguments).decode("utf-8")
    return _call_in_thread(tool, text, context) if loop_is_running() else tool.call(text, context)


def _context(timeout_seconds: float, overrides: ContextOverrides) -> ToolContext:
    now = overrides["clock"]() if "clock" in overrides else datetime.now(UTC)
    values: dict[str, Any] = {
        "run_key": "sample-run",
        "run_id": "run_sample",
        "thread_id": "thread_sample",
        "tool_call_id": "call_sample",
        "deadline": now + timedelta(seconds=timeout_seconds),
        "idempotency_key": "sample-run:1:0",
        "log": structlog.get_logger("threadrun.tools"),
        **overrides,
    }
    return ToolContext(**values)


def _tool_of(function: ToolFunction[..., Any] | Tool) -> Tool:
    tool = function if isinstance(function, Tool) else getattr(function, "tool", None)
    if not isinstance(tool, Tool):
        raise TypeError(f"{function!r} is no tool; decorate it with @tool")
    return tool


def _call_in_thread(tool: Tool, text: str, context: ToolContext) -> ToolResult:
    results: list[ToolResult] = []
    variables = contextvars.copy_context()
    thread = threading.Thread(target=lambda: results.append(variables.run(tool.call, text, context)))
    thread.start()
    thread.join()
    return results[0]
