"""Which parameters a handler takes, and what is wrong with them."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from threadrun.tools.context import ToolContext
from threadrun.tools.origin import written_function

_METHOD_NAMES = frozenset({"self", "cls"})
_KIND_PROBLEMS: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*{}: name every parameter, a model sends arguments by name",
    inspect.Parameter.VAR_KEYWORD: "**{}: name every parameter, so that the model can be told of it",
    inspect.Parameter.POSITIONAL_ONLY: "positional-only parameter {}: remove the '/', arguments come by name",
}


@dataclass(frozen=True, slots=True)
class HandlerParameter:
    """Hold one parameter that the model fills in."""

    name: str
    """Its name in the signature."""
    annotation: Any
    """Its resolved annotation, `Annotated` metadata included."""
    default: Any
    """Its default, or `inspect.Parameter.empty`."""


@dataclass(frozen=True, slots=True)
class HandlerSignature:
    """Hold what was read from a handler's signature."""

    parameters: tuple[HandlerParameter, ...]
    """The parameters that the model sees, in order."""
    context_name: str | None
    """The name of the parameter that takes the `ToolContext`, if there is one."""
    problems: tuple[str, ...]
    """What makes the function unfit, each with what to do; empty when it is fit."""


def read_signature(function: Callable[..., Any], caller: FrameType | None) -> HandlerSignature:
    """Read a handler's parameters, and find everything in them that a model could not be offered.

    Args:
        function: a plain function.
        caller: the frame in which it is being defined, for annotations that name local classes.
    """
    found: list[HandlerParameter] = []
    problems = _function_problems(function)
    context_name = None
    names = _local_names(function, caller)
    for position, parameter in enumerate(_parameters(function)):
        problem, annotation = _read_parameter(function, parameter, position, names)
        if problem is not None:
            problems.append(problem)
        elif annotation is ToolContext:
            context_name = parameter.name
        else:
            found.append(HandlerParameter(parameter.name, annotation, parameter.default))
    return HandlerSignature(tuple(found), context_name, tuple(problems))


def _function_problems(function: Callable[..., Any]) -> list[str]:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return ["it is a generator function: return one value, such as a list"]
    return []


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415 - absent before Python 3.14

        # Evaluated annotations would raise for the first unknown name; we want to report every one.
        return list(inspect.signature(function, annotation_format=Format.FORWARDREF).parameters.values())
    return list(inspect.signature(function).parameters.values())


def _read_parameter(
    function: Callable[..., Any], parameter: inspect.Parameter, position: int, names: dict[str, Any]
) -> tuple[str | None, Any]:
    name = parameter.name
    if (template := _KIND_PROBLEMS.get(parameter.kind)) is not None:
        return template.format(name), None
    if parameter.annotation is inspect.Parameter.empty:
        if position == 0 and name in _METHOD_NAMES:
            return f"parameter {name}: methods are not supported, decorate a function", None
        return f"parameter {name} has no annotation: give its type, such as {name}: str", None
    try:
        annotation = _resolve(function, parameter, names)
    except Exception as error:  # whatever evaluating a foreign annotation raises, it is unfit
        return _unresolved(name, parameter.annotation, error), None
    if _mentions_context(annotation) and not (annotation is ToolContext and position == 0):
        return f"parameter {name}: ToolContext must be the first parameter, annotated as nothing else", None
    return None, annotation


def _resolve(function: Callable[..., Any], parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    def annotated() -> None: ...

    annotated.__annotations__ = {parameter.name: parameter.annotation}
    hints = typing.get_type_hints(
        annotated, written_function(function).__globals__, names, include_extras=True
    )
    return hints[parameter.name]


def _unresolved(name: str, annotation: object, error: Exception) -> str:
    return (
        f"parameter {name}: annotation {annotation!r} cannot be resolved ({error}): define or import "
        "its names above the function, and not under TYPE_CHECKING"
    )


def _mentions_context(annotation: Any) -> bool:
    return annotation is ToolContext or any(_mentions_context(part) for part in typing.get_args(annotation))


def _local_names(function: Callable[..., Any], caller: FrameType | None) -> dict[str, Any]:
    """Find the names around a function that is defined inside another one, or in a class body."""
    written = written_function(function)
    parent = written.__qualname__.rpartition(".")[0].removesuffix(".<locals>")
    if not parent:
        return {}
    for frame in _outward(caller):
        if frame.f_code.co_qualname == parent and frame.f_globals is written.__globals__:
            return dict(frame.f_locals)
    return {}


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
