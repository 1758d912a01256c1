"""How a handler is run: bounded, masked, and never raising."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

from threadrun.errors import ToolArgumentsInvalid
from threadrun.tools.failures import failed, refused, timed_out, unserialisable
from threadrun.tools.output import cut, serialise
from threadrun.tools.results import ToolResult
from threadrun.tools.timeout import ToolTimeout

Handler: TypeAlias = Callable[[], Any]
"""A handler bound to its arguments."""

CANCEL_GRACE_SECONDS = 1.0
"""How long an async handler that was interrupted may take to clean up."""

_ASYNC_LEAD_SECONDS = 0.1


def run_handler(
    prepare: Callable[[], Handler],
    remaining_seconds: Callable[[], float],
    runner: asyncio.Runner | None,
    max_output_bytes: int,
) -> ToolResult:
    """Run a handler to its result, whatever it raises.

    Args:
        prepare: validates the arguments and binds the handler to them; raises `ToolArgumentsInvalid`, or
            `ToolTimeout` when it is too late to begin.
        remaining_seconds: how long the call may still take.
        runner: the event loop of this process for async handlers; none: one for this call alone.
        max_output_bytes: where the output is cut.
    """
    try:
        return _cut(_attempt(prepare, remaining_seconds, runner), max_output_bytes)
    except ToolTimeout as timeout:
        # The alarm may come at any instruction, also while a failure is masked or a value serialised.
        return _cut(timed_out(timeout), max_output_bytes)


def _attempt(
    prepare: Callable[[], Handler], remaining_seconds: Callable[[], float], runner: asyncio.Runner | None
) -> ToolResult:
    try:
        try:
            handler = prepare()
        except ToolArgumentsInvalid as invalid:
            return refused(invalid)
        value = _value_of(handler, remaining_seconds, runner)
    except ToolTimeout:
        raise
    except BaseException as error:  # a handler may call sys.exit(); it must not end the worker
        return failed(error)
    return _serialised(value, remaining_seconds)


def _serialised(value: Any, remaining_seconds: Callable[[], float]) -> ToolResult:
    try:
        return ToolResult(serialise(value))
    except Exception as error:
        if remaining_seconds() <= 0:  # pydantic hides what interrupted a serialiser of the user's
            return timed_out(error)
        return unserialisable(error)


def _cut(result: ToolResult, max_output_bytes: int) -> ToolResult:
    output, cut_bytes = cut(result.output, max_output_bytes)
    return replace(result, output=output, cut_bytes=cut_bytes)


def _value_of(handler: Handler, remaining_seconds: Callable[[], float], runner: asyncio.Runner | None) -> Any:
    context = contextvars.copy_context()
    value = context.run(handler)
    if not inspect.isawaitable(value):
        return value
    if loop_is_running():
        if inspect.iscoroutine(value):
            value.close()
        raise RuntimeError("an async handler cannot be called where an event loop runs; use a thread")
    if runner is not None:
        return _wait_for(value, remaining_seconds(), runner, context)
    with asyncio.Runner() as own:
        return _wait_for(value, remaining_seconds(), own, context)


def loop_is_running() -> bool:
    """Tell whether this thread is inside an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _wait_for(
    awaitable: Awaitable[Any], limit_seconds: float, runner: asyncio.Runner, context: contextvars.Context
) -> Any:
    # The loop's own limit comes a little before the worker's alarm: what a signal raises inside a loop
    # callback is logged by the loop and lost, and only a cancelled coroutine can clean up.
    limit_seconds -= min(_ASYNC_LEAD_SECONDS, limit_seconds / 10)
    loop = runner.get_loop()
    task = loop.create_task(_bounded(awaitable, limit_seconds), context=context)
    try:
        return loop.run_until_complete(task)
    finally:
        _end(task, loop)


async def _bounded(awaitable: Awaitable[Any], limit_seconds: float) -> Any:
    try:
        async with asyncio.timeout(limit_seconds) as limit:
            return await awaitable
    except TimeoutError as error:
        if limit.expired():
            raise ToolTimeout("the deadline passed; the handler was cancelled") from error
        raise


def _end(task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Leave nothing of an interrupted handler on a loop that serves the next call too."""
    if not task.done():
        task.cancel()
        loop.run_until_complete(asyncio.wait({task}, timeout=CANCEL_GRACE_SECONDS))
    if task.done() and not task.cancelled():
        task.exception()  # else asyncio logs it as never retrieved
