"""`@tool`: make a function callable by a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from threadrun.status import OnUnknown
from threadrun.tools.building import build_tool
from threadrun.tools.definition import Tool
from threadrun.tools.options import ToolOptions
from threadrun.tools.output import DEFAULT_MAX_OUTPUT_BYTES
from threadrun.tools.registry import default_registry

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class ToolFunction(Protocol[P, R_co]):
    """Type a decorated function: still the function, with its `Tool` beside it."""

    tool: Tool
    """What the model and the workers see of it."""
    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the plain function, without validation or masking."""


@overload
def tool(function: Callable[P, R_co], /) -> ToolFunction[P, R_co]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_seconds: float = 60.0,
    idempotent: bool = False,
    on_unknown: OnUnknown | Literal["tell", "fail", "park"] = "tell",
    retries: int = 0,
    queue: str = "tools",
    max_output_bytes: int = DEFAULT_MAX_OUTPUT_BYTES,
) -> Callable[[Callable[P, R_co]], ToolFunction[P, R_co]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_seconds: float = 60.0,
    idempotent: bool = False,
    on_unknown: OnUnknown | Literal["tell", "fail", "park"] = "tell",
    retries: int = 0,
    queue: str = "tools",
    max_output_bytes: int = DEFAULT_MAX_OUTPUT_BYTES,
) -> Any:
    """Register a sync or async function as a tool, and give it back unchanged.

    The signature becomes the JSON schema (every parameter annotated; pydantic's types, `Annotated`, `Field`,
    `Literal`, enums, models and defaults work), the docstring the descriptions. A first parameter annotated
    `ToolContext` is filled in by the worker and hidden from the model.

    Args:
        function: the function, when the decorator is used bare.
        name: what the model calls it; the function's name unless given.
        description: what the model is told; the docstring's text unless given.
        timeout_seconds: after so many seconds a call is interrupted.
        idempotent: whether a call whose worker died may be run again, with the same idempotency key.
        on_unknown: what is done when nobody knows how a call ended, because its worker died in it and it is not to
            be run again: `tell` the model, `fail` the run, or `park` the call for a person (`threadrun quarantine`).
        retries: how many times a call is run again after an exception or a timeout; needs `idempotent=True`,
            for an attempt that failed may have had its effect.
        queue: the Celery queue whose workers run it.
        max_output_bytes: where its output is cut, at least 256.

    Raises:
        ToolDefinitionError: the function cannot be offered to a model, or the name is taken; says all that is
            wrong, and what to do.
    """
    caller = cast(FrameType, inspect.currentframe()).f_back
    options = ToolOptions(
        timeout_seconds=timeout_seconds,
        idempotent=idempotent,
        on_unknown=on_unknown,
        retries=retries,
        queue=queue,
        max_output_bytes=max_output_bytes,
    )

    def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
        return _register(decorated, name, description, options, caller)

    return decorate if function is None else decorate(function)


def _register(
    function: Callable[..., Any],
    name: str | None,
    description: str | None,
    options: ToolOptions,
    caller: FrameType | None,
) -> Callable[..., Any]:
    built = build_tool(function, name, description, options, caller)
    default_registry.add(built)
    cast(Any, function).tool = built
    return function
