"""A handler's exception of any shape ends its call: however long its chain is, and whatever its class does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.tool_results import failing, told
from threadrun.errors import ToolError
from threadrun.testing.tool_calls import call_tool
from threadrun.tools import ToolResult, ToolResultKind, tool


def result_of(handler: Any) -> ToolResult:
    """Call it; what escapes is told by its name alone, for pytest cannot write such errors down either."""
    try:
        return call_tool(handler)
    except BaseException as error:
        escaped = type(error).__name__
    raise AssertionError(f"{escaped} escaped from the call")


class Wrapped(Exception):
    pass


def retrying(times: int) -> None:
    last: Exception | None = None
    for _ in range(times):
        try:
            refuse(last)
        except ConnectionError as error:
            last = error
    refuse(last)


def refuse(last: Exception | None) -> None:
    raise ConnectionError("of a user") from last


def recursing() -> None:
    try:
        recursing()
    except Exception as error:
        raise Wrapped("of a user") from error


def grouping() -> None:
    inner: Exception = KeyError("of a user")
    for _ in range(5_000):
        inner = ExceptionGroup("of a user", [inner, ValueError()])
    raise inner


@pytest.mark.parametrize(
    ("fail", "last", "traceback_begins"),
    [
        pytest.param(lambda: retrying(1_500), "ConnectionError", "Traceback", id="1,500 retries"),
        pytest.param(lambda: retrying(5_000), "ConnectionError", "[the last of 2000", id="5,000 retries"),
        pytest.param(recursing, "Wrapped", "", id="unbounded recursion that wraps its errors"),
        pytest.param(grouping, "ExceptionGroup", "", id="groups in groups"),
    ],
)
def test_a_long_chain_of_errors_is_masked_like_any_exception(
    fail: Callable[[], None], last: str, traceback_begins: str
) -> None:
    result = result_of(tool(name="fail")(fail))
    assert result.kind is ToolResultKind.EXCEPTION
    assert told(result)["message"] == f"The tool failed; reference {result.reference}"
    assert result.error is not None
    assert result.error.startswith(traceback_begins)
    assert result.places is not None
    assert result.places.endswith(last)
    assert "of a user" not in result.output + result.places


def raising(error: BaseException) -> Any:
    def act(*_: object) -> Any:
        raise error

    return act


@pytest.mark.parametrize("says", [raising(RuntimeError("no words")), raising(SystemExit(3)), lambda _: 5])
def test_an_error_for_the_model_that_cannot_be_read_is_masked(says: Any) -> None:
    mute = type("Mute", (ToolError,), {"__str__": says})
    result = result_of(failing(mute()))
    assert result.kind is ToolResultKind.EXCEPTION
    assert "in fail" in (result.places or ""), "the log shows where it was raised"


@pytest.mark.parametrize("member", ["__cause__", "__context__", "__traceback__", "__notes__"])
def test_an_error_whose_class_fails_when_it_is_looked_at_is_masked(member: str) -> None:
    broken = type("Broken", (Exception,), {member: property(raising(RuntimeError("broken")))})
    result = result_of(failing(broken()))
    assert result.kind is ToolResultKind.EXCEPTION
    assert result.error
