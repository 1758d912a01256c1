"""How a call of a tool ends, whatever the handler does."""

from __future__ import annotations

import asyncio
import contextvars
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.tool_results import failing, told
from threadrun.errors import ToolError
from threadrun.testing.tool_calls import call_tool, sample_context
from threadrun.tools import ToolContext, ToolResult, ToolResultKind, error_result, tool


def test_the_result_of_a_sync_handler_is_its_output():
    @tool
    def greet(name: str) -> str:
        return f"Hello {name}"

    result = call_tool(greet, {"name": "Ana"})
    assert result == ToolResult("Hello Ana")
    assert not result.is_error


def test_an_async_handler_runs_on_a_loop_of_its_own():
    @tool
    async def greet(name: str) -> str:
        await asyncio.sleep(0)
        return f"Hello {name}"

    assert call_tool(greet, {"name": "Ana"}).output == "Hello Ana"


def test_async_handlers_share_the_runner_that_is_given():
    @tool
    async def which() -> str:
        return str(id(asyncio.get_running_loop()))

    with asyncio.Runner() as runner:
        outputs = [which.tool.call("", sample_context(), runner=runner).output for _ in range(2)]
        assert outputs == [str(id(runner.get_loop()))] * 2


def test_a_sync_wrapper_around_an_async_handler_is_awaited():
    async def inner() -> str:
        return "awaited"

    @tool
    def outer() -> Any:
        return inner()

    assert call_tool(outer).output == "awaited"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_variables_of_the_caller_are_seen_and_not_changed(asynchronous):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("from caller")

    def look() -> str:
        seen = variable.get()
        variable.set("from handler")
        return seen

    async def look_async() -> str:
        return look()

    handler = tool(name="look")(look_async if asynchronous else look)
    with asyncio.Runner() as runner:
        runner.get_loop()
        assert handler.tool.call("", sample_context(), runner=runner).output == "from caller"
    assert variable.get() == "from caller"


def test_what_a_sync_wrapper_sets_is_seen_by_the_async_handler_within():
    variable = contextvars.ContextVar("variable", default="unset")

    async def look() -> str:
        return variable.get()

    @tool
    def outer() -> Any:
        variable.set("from wrapper")
        return look()

    assert call_tool(outer).output == "from wrapper"
    assert variable.get() == "unset"


def test_the_context_is_given_to_the_first_parameter():
    @tool
    def who(ctx: ToolContext, *, greeting: str) -> str:
        return f"{greeting} {ctx.metadata['team']}, attempt {ctx.attempt}"

    result = call_tool(who, {"greeting": "Hi"}, metadata={"team": "north"}, attempt=2)
    assert result.output == "Hi north, attempt 2"


def test_the_model_cannot_fill_in_the_context():
    @tool
    def who(ctx: ToolContext) -> str:
        return ctx.run_key

    assert call_tool(who, {"ctx": {"run_key": "x"}}).kind is ToolResultKind.INVALID_ARGUMENTS


def test_a_tool_error_reaches_the_model_verbatim():
    text = 'No flight on "Sunday" - try Mönday\n'
    result = call_tool(failing(ToolError(text)))
    assert result.kind is ToolResultKind.TOOL_ERROR
    assert told(result) == {"kind": "tool_error", "message": text}
    assert "Mönday" in result.output, "not escaped"
    assert result.error == text
    assert result.reference is None


@pytest.mark.parametrize(
    "error",
    [ValueError("secret detail"),
     KeyError("secret detail"), SystemExit("secret detail"),
     KeyboardInterrupt("secret detail"), GeneratorExit("secret detail"),
     asyncio.CancelledError("secret detail"),
     TimeoutError("secret detail"), BaseExceptionGroup("secret detail", [SystemExit(1), ValueError()])],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.filterwarnings("error")
def test_any_other_exception_is_masked_for_the_model_and_whole_for_us(error, asynchronous):
    def fail() -> None:
        hidden_local = "local-value"  # noqa: F841 - must not be in the traceback
        raise error

    async def fail_async() -> None:
        await asyncio.sleep(0)
        fail()

    result = call_tool(tool(name="fail")(fail_async if asynchronous else fail))
    assert result.kind is ToolResultKind.EXCEPTION
    assert told(result) == {
        "kind": "exception",
        "message": f"The tool failed; reference {result.reference}",
        "reference": result.reference,
    }
    assert "Traceback" in result.error
    assert type(error).__name__ in result.error
    assert "secret detail" in result.error
    assert "test_tools_calls.py" in result.error
    assert "local-value'" not in result.error


def test_only_the_models_own_arguments_are_called_invalid():
    @tool
    def inner(number: int) -> int:
        return number

    @tool
    def outer() -> Any:
        return inner.tool.parse_arguments("{}")

    assert call_tool(outer).kind is ToolResultKind.EXCEPTION


def test_each_failure_has_a_reference_of_its_own():
    fail = failing(ValueError())
    assert call_tool(fail).reference != call_tool(fail).reference


def test_the_cause_of_an_exception_is_kept():
    @tool
    def fail() -> None:
        try:
            int("first")
        except ValueError as error:
            raise RuntimeError("second") from error

    result = call_tool(fail)
    assert "first" in result.error
    assert "second" in result.error


def test_an_endless_exception_text_is_cut_for_the_record():
    result = call_tool(failing(ValueError("x" * 1_000_000)))
    assert len(result.error) < 70_000
    assert "characters cut" in result.error


def test_a_recursion_without_end_is_only_a_failure():
    @tool
    def recurse() -> None:
        recurse()

    assert call_tool(recurse).kind is ToolResultKind.EXCEPTION


def test_a_tool_error_out_of_a_task_group_reaches_the_model():
    @tool
    async def search() -> None:
        async def part() -> None:
            raise ToolError("nothing found")

        async with asyncio.TaskGroup() as group:
            group.create_task(part())

    assert told(call_tool(search))["message"] == "nothing found"


def test_lone_surrogates_in_error_texts_do_not_break_the_result():
    result = call_tool(failing(ToolError("bad \ud800 text")))
    assert told(result)["message"] == "bad ? text"
    call_tool(failing(ValueError("\ud800"))).error.encode("utf-8")


def test_an_async_handler_under_a_running_loop_is_refused_in_words():
    @tool
    async def greet() -> str:
        return "hello"

    async def call_here() -> ToolResult:
        return greet.tool.call("", sample_context())

    result = asyncio.run(call_here())
    assert result.kind is ToolResultKind.EXCEPTION
    assert "use a thread" in result.error


def test_an_output_over_the_limit_is_cut_and_says_so():
    @tool(max_output_bytes=300)
    def long() -> str:
        return "é" * 1000

    result = call_tool(long)
    assert result.kind is ToolResultKind.OK
    assert len(result.output.encode()) <= 300
    kept = result.output.partition("\n")[0]
    assert set(kept) == {"é"}
    assert result.cut_bytes == 2000 - len(kept.encode())
    assert result.output.endswith(f"\n[output truncated: {result.cut_bytes} bytes cut]")


def test_an_error_over_the_limit_is_cut_too_and_whole_in_the_record():
    @tool(max_output_bytes=300)
    def long() -> str:
        raise ToolError("x" * 1000)

    result = call_tool(long)
    assert len(result.output) <= 300
    assert result.error == "x" * 1000


@pytest.mark.parametrize(
    "value", [float("nan"), [float("inf")], object(), b"\xff", "\ud800", {"a": "\ud800"}]
)
def test_a_value_that_json_cannot_say_is_an_error_that_the_model_gets_masked(value):
    @tool
    def odd() -> Any:
        return value

    result = call_tool(odd)
    assert result.kind is ToolResultKind.UNSERIALISABLE
    assert told(result) == {
        "kind": "unserialisable",
        "message": f"The tool's output cannot be told as JSON; reference {result.reference}",
        "reference": result.reference,
    }
    assert "Traceback" in result.error


def test_the_engine_builds_its_own_endings_in_the_same_form():
    result = error_result(ToolResultKind.MISSING_TOOL, "There is no tool of this name.")
    assert told(result) == {"kind": "missing_tool", "message": "There is no tool of this name."}
    assert result.error == "There is no tool of this name."
    assert result.is_error


def test_only_a_value_is_no_error():
    assert [kind for kind in ToolResultKind if not ToolResult("", kind).is_error] == [ToolResultKind.OK]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
        max_leaves=8,
    )
)
def test_whatever_a_handler_returns_the_model_gets_text_or_the_error_form(value):
    @tool
    def give() -> Any:
        return value

    result = call_tool(give)
    result.output.encode("utf-8")
    if isinstance(value, str):
        assert result.output == value
    elif result.kind is ToolResultKind.OK:
        json.loads(result.output, parse_constant=pytest.fail)
    else:
        assert told(result)["kind"] == "unserialisable"
