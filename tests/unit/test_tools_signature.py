"""Which functions are refused at import, and what their authors are told."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from threadrun.errors import ToolDefinitionError
from threadrun.testing.tool_calls import call_tool
from threadrun.tools import ToolContext, tool
from threadrun.tools.registry import default_registry

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypeCheckers


def star(*cities: str) -> None: ...
def stars(**cities: str) -> None: ...
def positional_only(city: str, /) -> None: ...
def unannotated(city) -> None: ...
def unresolvable(city: Nowhere) -> None: ...  # noqa: F821
def type_checking_only(price: OnlyForTypeCheckers) -> None: ...
def without_schema(lock: threading.Lock) -> None: ...
def annotated_context(ctx: Annotated[ToolContext, "mine"]) -> None: ...
def class_variable(count: ClassVar[int]) -> None: ...
def late_context(city: str, ctx: ToolContext) -> None: ...
def two_contexts(ctx: ToolContext, other: ToolContext) -> None: ...
def optional_context(ctx: ToolContext | None) -> None: ...
def method(self, city: str) -> None: ...
def generator(city: str) -> Any:
    yield city


async def async_generator(city: str) -> Any:
    yield city


@pytest.mark.parametrize(
    ("function", "said", "remedy"),
    [
        (star, "*cities", "name every parameter"),
        (stars, "**cities", "name every parameter"),
        (positional_only, "positional-only parameter city", "remove the '/'"),
        (unannotated, "parameter city has no annotation", "give its type"),
        (unresolvable, "annotation 'Nowhere' cannot be resolved", "define or import its names"),
        (type_checking_only, "'OnlyForTypeCheckers' cannot be resolved", "not under TYPE_CHECKING"),
        (without_schema, "parameter lock", "pydantic models"),
        (class_variable, "parameter count", "not valid as type argument"),
        (annotated_context, "parameter ctx", "annotated as nothing else"),
        (late_context, "parameter ctx", "must be the first parameter"),
        (two_contexts, "parameter other", "must be the first parameter"),
        (optional_context, "parameter ctx", "annotated as nothing else"),
        (method, "methods are not supported", "decorate a function"),
        (generator, "generator function", "return one value"),
        (async_generator, "generator function", "return one value"),
    ],
)
def test_an_unsupported_signature_is_refused_with_its_remedy(function, said, remedy):
    with pytest.raises(ToolDefinitionError) as refused:
        tool(function)
    assert refused.value.tool == function.__name__
    assert said in str(refused.value)
    assert remedy in str(refused.value)
    assert len(default_registry) == 0


def test_a_method_is_refused_while_its_class_is_being_defined():
    with pytest.raises(ToolDefinitionError, match="methods are not supported"):

        class Service:
            @tool
            def weather(self, city: str) -> None: ...


@pytest.mark.parametrize(
    "thing",
    [
        len,
        threading.Lock,
        functools.partial(print),
        staticmethod(star),
        "weather",
        Exception().with_traceback,
    ],
)
def test_what_is_no_plain_function_is_refused(thing):
    with pytest.raises(ToolDefinitionError, match=r"\S+test_tools_signature\.py:\d+\); put @tool"):
        tool(thing)


def test_everything_that_is_wrong_is_named_at_once():
    with pytest.raises(ToolDefinitionError) as refused:

        @tool(name="no spaces", timeout_seconds=0, retries=-1, queue="", max_output_bytes=1, idempotent="yes")
        def messy(a, b: Nowhere, c: threading.Lock, *d: int, ctx: ToolContext) -> None: ...  # noqa: F821

    for part in (
        "name 'no spaces'", "timeout_seconds=0", "retries=-1", "queue=''", "max_output_bytes=1",
        "idempotent='yes'", "parameter a", "parameter b", "parameter c", "*d", "parameter ctx",
    ):  # fmt: skip
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_seconds": float("nan")},
        {"timeout_seconds": float("inf")},
        {"timeout_seconds": True},
        {"timeout_seconds": "60"},
        {"retries": 1.5},
        {"retries": True},
        {"max_output_bytes": 255},
        {"queue": "a b"},
        {"queue": "runs"},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "naïve"},
        {"name": "weather\n"},
        {"description": 5},
        {"on_unknown": "ask"},
        {"on_unknown": ["park"]},
    ],
)
def test_an_option_that_cannot_be_is_refused(options):
    with pytest.raises(ToolDefinitionError, match=next(iter(options))):
        tool(**options)(google_like)


def test_retries_of_a_tool_that_may_not_be_repeated_are_refused_with_the_remedy():
    with pytest.raises(ToolDefinitionError, match="may have had its effect; give idempotent=True"):
        tool(name="charge", retries=1)(google_like)

    assert tool(name="charge", retries=1, idempotent=True)(google_like).tool.retries == 1
    assert tool(name="charge_once", retries=0)(google_like).tool.retries == 0


def google_like(city: str) -> str:
    return city


def test_a_lambda_needs_a_name():
    with pytest.raises(ToolDefinitionError, match="give name="):
        tool(lambda: "pong")
    assert call_tool(tool(name="ping")(lambda: "pong")).output == "pong"


def test_a_name_of_64_characters_is_allowed():
    assert tool(name="x" * 64)(google_like).tool.name == "x" * 64


def test_local_types_are_found_although_annotations_are_strings():
    class Local(BaseModel):
        count: int

    @tool
    def use(item: Local, items: list[Local]) -> int:
        return item.count + len(items)

    assert call_tool(use, {"item": {"count": 2}, "items": [{"count": 1}]}).output == "3"


def test_local_types_are_found_through_a_decorator_of_ones_own():
    def my_tool(function: Any) -> Any:
        Local = int  # noqa: F841, N806 - must not be taken for the user's Local
        return tool(function)

    class Local(BaseModel):
        count: int

    @my_tool
    def use(item: Local) -> int:
        return item.count

    assert call_tool(use, {"item": {"count": 2}}).output == "2"


def test_an_unresolvable_return_annotation_does_not_matter():
    @tool
    def price(city: str) -> OnlyForTypeCheckers:
        return len(city)

    assert call_tool(price, {"city": "Lima"}).output == "4"


def test_a_function_wrapped_by_another_decorator_keeps_its_signature():
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @tool
    @logged
    def double(number: int) -> int:
        return number * 2

    assert call_tool(double, {"number": 2}).output == "4"


def test_a_function_wrapped_around_a_callable_object_can_be_a_tool():
    class Doubler:
        def __call__(self, number: int) -> int:
            return number * 2

    @functools.wraps(doubler := Doubler())
    def double(*args: Any, **kwargs: Any) -> Any:
        return doubler(*args, **kwargs)

    assert call_tool(tool(name="double")(double), {"number": 2}).output == "4"


def test_an_annotation_that_is_no_type_of_a_value_is_refused():
    def count(number): ...

    count.__annotations__ = {"number": ClassVar[int]}
    with pytest.raises(ToolDefinitionError, match=r"parameter number: typing\.ClassVar"):
        tool(count)


def with_default(annotation: Any, default: Any) -> Any:
    def odd(value): ...

    odd.__annotations__ = {"value": annotation}
    odd.__defaults__ = (default,)
    return tool(name="odd")(odd)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, None), (int, "5"), (bool, 1), (Literal["c", "f"], "k"), (Annotated[int, Field(ge=3)], 1),
        (int, Field(2, ge=3)), (str, 3), (list[int], "ab"),
    ],
)  # fmt: skip
def test_a_default_that_is_no_value_of_its_type_is_refused(annotation, default):
    with pytest.raises(ToolDefinitionError, match=r"parameter value: its default .* does not fit"):
        with_default(annotation, default)


def test_a_default_of_none_is_told_how_to_be_allowed():
    with pytest.raises(ToolDefinitionError, match=r"allow it with `\| None`"):
        with_default(str, None)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int | None, None), (float, 1), (tuple[int, ...], (1, 2)), (Annotated[int, Field(ge=3)], 3),
        (list[int], Field(default_factory=list)), (int, Field(ge=3)), (Literal["c", "f"], "c"), (Any, object()),
    ],
)  # fmt: skip
def test_a_default_that_fits_is_taken(annotation, default):
    assert with_default(annotation, default).tool.name == "odd"
