"""From a function to its tool."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

from threadrun.errors import ToolDefinitionError
from threadrun.tools.definition import Tool
from threadrun.tools.docstrings import read_docstring
from threadrun.tools.options import ToolOptions, name_problems
from threadrun.tools.origin import Origin
from threadrun.tools.schema import build_model, build_schema, default_problems, schema_problems
from threadrun.tools.signature import read_signature


def build_tool(
    function: Callable[..., Any],
    name: str | None,
    description: str | None,
    options: ToolOptions,
    caller: FrameType | None,
) -> Tool:
    """Build the tool of a function without registering it.

    Raises:
        ToolDefinitionError: the function cannot be offered to a model.
    """
    if not isinstance(function, FunctionType):
        kind = type(function).__name__
        place = f" ({caller.f_code.co_filename}:{caller.f_lineno})" if caller else ""
        raise ToolDefinitionError(
            str(name or kind), f"it is a {kind}{place}; put @tool or @tool(name=…) on a plain function"
        )
    name = function.__name__ if name is None else name
    origin = Origin.of(function)
    signature = read_signature(function, caller)
    problems = [*name_problems(name, description), *options.problems(), *signature.problems]
    try:
        model = build_model(signature.parameters)
        said = read_docstring(function.__doc__)
        schema = build_schema(model, said.parameters)
    except Exception as error:  # whatever a foreign type raises; tried alone, the unfit parameters show
        problems += schema_problems(signature.parameters) or [f"its arguments have no JSON schema: {error}"]
        raise _refusal(name, origin, problems) from None
    problems += default_problems(signature.parameters)
    if problems:
        raise _refusal(name, origin, problems)
    return Tool(
        name=name,
        description=said.tool if description is None else description,
        parameters=schema,
        function=function,
        options=options,
        origin=origin,
        arguments_model=model,
        parameter_names=tuple(parameter.name for parameter in signature.parameters),
        context_name=signature.context_name,
    )


def _refusal(name: object, origin: Origin, problems: list[str]) -> ToolDefinitionError:
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return ToolDefinitionError(str(name), f"{origin}:{f' {problems[0]}' if len(problems) == 1 else lines}")
