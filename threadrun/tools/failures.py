"""From what a handler raised to the result of its call."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Iterator
from dataclasses import replace

from threadrun.errors import ToolArgumentsInvalid, ToolError
from threadrun.tools.results import ToolResult, ToolResultKind, error_result
from threadrun.tools.timeout import ToolTimeout

_MAX_ERROR_CHARACTERS = 64 * 1024
_MAX_FRAMES = 20


def refused(invalid: ToolArgumentsInvalid) -> ToolResult:
    """Tell the model where its arguments do not fit."""
    message = "The arguments do not fit the tool's parameters. Correct them and call it again."
    kind = ToolResultKind.INVALID_ARGUMENTS
    return error_result(kind, message, error=str(invalid), problems=invalid.problems)


def failed(error: BaseException) -> ToolResult:
    """Tell the model what its author meant for it, and of anything else only a reference."""
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


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether a timeout lies behind an error that was raised while cleaning up after it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ToolTimeout):
            return True
        if isinstance(error, BaseExceptionGroup) and error.subgroup(ToolTimeout) is not None:
            return True
        error = error.__cause__ or error.__context__
    return False


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
    return replace(told, places=_shortened("\n".join(_places(error, set()))))


def _traceback(error: BaseException) -> str:
    return _shortened("".join(traceback.format_exception(error)))


def _places(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Tell kinds and lines, first causes first; what exceptions say can quote users and models."""
    seen.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in filter(None, (cause, *inner)):
        if id(other) not in seen:
            yield from _places(other, seen)
    for frame in traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    yield type(error).__qualname__


def _shortened(text: str) -> str:
    if len(text) <= _MAX_ERROR_CHARACTERS:
        return text
    half = _MAX_ERROR_CHARACTERS // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters cut]\n{text[-half:]}"
