"""From what a handler raised to the result of its call."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

from threadrun.errors import ToolArgumentsInvalid, ToolError
from threadrun.tools.results import ToolResult, ToolResultKind, error_result
from threadrun.tools.timeout import ToolTimeout

_MAX_ERROR_CHARACTERS = 64 * 1024
_MAX_FRAMES = 20
_MAX_ERRORS = 2_000
"""How many errors behind one another are looked at: retries and recursion chain them without end."""


def refused(invalid: ToolArgumentsInvalid) -> ToolResult:
    """Tell the model where its arguments do not fit."""
    message = "The arguments do not fit the tool's parameters. Correct them and call it again."
    kind = ToolResultKind.INVALID_ARGUMENTS
    return error_result(kind, message, error=str(invalid), problems=invalid.problems)


def failed(error: BaseException) -> ToolResult:
    """Tell the model what its author meant for it, and of anything else only a reference.

    There is always an answer, also where the error itself fails when it is asked what it says.
    """
    try:
        return _told(error)
    except ToolTimeout:
        raise
    except BaseException as defect:  # it may be anything that a handler's own class raises
        return _masked(ToolResultKind.EXCEPTION, "The tool failed", defect)


def _told(error: BaseException) -> ToolResult:
    match _sole_cause(error):
        case ToolError() as told:
            return error_result(ToolResultKind.TOOL_ERROR, str(told))
        case _ if _was_interrupted(error):
            return timed_out(error)
        case _:
            return _masked(ToolResultKind.EXCEPTION, "The tool failed", error)


def unserialisable(error: Exception) -> ToolResult:
    """Tell the model that there is a value which it cannot be given."""
    return _masked(ToolResultKind.UNSERIALISABLE, "The tool's output cannot be told as JSON", error)


def timed_out(error: BaseException) -> ToolResult:
    """Tell the model that time was up; the record shows where the handler was."""
    message = "The tool did not finish within its time limit."
    return error_result(ToolResultKind.TIMEOUT, message, error=_traceback(error))


def _was_interrupted(error: BaseException) -> bool:
    """Tell whether a timeout lies behind an error that was raised while cleaning up after it."""
    return any(isinstance(one, ToolTimeout) for one in _behind(error))


def _behind(error: BaseException) -> list[BaseException]:
    """List an error and those behind it, causes last."""
    found: list[BaseException] = []
    seen: set[int] = set()
    left = [error]
    while left and len(found) < _MAX_ERRORS:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        found.append(one)
        cause = one.__context__ if one.__cause__ is None else one.__cause__
        left += [] if cause is None else [cause]
        left += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found


def _sole_cause(error: BaseException) -> BaseException:
    """Look through the groups in which `asyncio.TaskGroup` wraps a single error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _masked(kind: ToolResultKind, message: str, error: BaseException) -> ToolResult:
    reference = secrets.token_hex(4)
    told = error_result(
        kind, f"{message}; reference {reference}", error=_traceback(error), reference=reference
    )
    return replace(told, places=_surely(_places, error))


def _traceback(error: BaseException) -> str:
    return _surely(_whole_traceback, error)


def _whole_traceback(error: BaseException) -> str:
    if len(_behind(error)) < _MAX_ERRORS:
        return "".join(traceback.format_exception(error))
    alone = "".join(traceback.format_exception(error, chain=False))
    return f"[the last of {_MAX_ERRORS} errors or more]\n{alone}"


def _places(error: BaseException) -> str:
    """Tell kinds and lines, first causes first; what exceptions say can quote users and models."""
    return "\n".join(line for one in reversed(_behind(error)) for line in _place(one))


def _place(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    yield type(error).__qualname__


def _surely(tell: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        return _shortened(tell(error))
    except ToolTimeout:
        raise
    except BaseException as defect:  # the class of the error is a handler's own, and may do anything
        return f"{type(error).__qualname__}, of which nothing can be told: {type(defect).__qualname__}"


def _shortened(text: str) -> str:
    if len(text) <= _MAX_ERROR_CHARACTERS:
        return text
    half = _MAX_ERROR_CHARACTERS // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters cut]\n{text[-half:]}"
