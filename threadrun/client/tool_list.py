"""Read the tools that a caller offers: names of served ones, or definitions as on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from threadrun.errors import InvalidRequest, Problem
from threadrun.plain_json import plain_json
from threadrun.tools.options import NAME_PATTERN

MAX_TOOLS = 128
"""The wire's limit of tools an assistant (OpenAI's published CreateAssistantRequest); a run may allow fewer."""

AskedTool: TypeAlias = str | dict[str, Any]
"""A served tool's name, or a definition as on the wire."""


def tool_list(tools: Any) -> list[AskedTool] | None:
    """Check what a caller gave as `tools`; none: the assistant's own.

    Raises:
        InvalidRequest: with every problem found.
    """
    if tools is None:
        return None
    if isinstance(tools, str | bytes) or not isinstance(tools, Sequence):
        raise InvalidRequest([Problem("tools", "give a list of tool names or wire definitions")])
    problems: list[Problem] = []
    if len(tools) > MAX_TOOLS:
        problems.append(Problem("tools", f"{len(tools)} tools; at most {MAX_TOOLS} a run"))
    plain: list[AskedTool] = plain_json(tools, "tools", problems)
    for at, tool in enumerate(plain):
        problems += _problems(f"tools.{at}", tool)
    if problems:
        raise InvalidRequest(problems)
    return plain


def function_names(tools: Sequence[AskedTool]) -> list[str]:
    """Name the function tools among them, which a worker must serve; the server runs the others."""
    return [tool if isinstance(tool, str) else _name(tool) for tool in tools if _is_function(tool)]


def _is_function(tool: AskedTool) -> bool:
    return isinstance(tool, str) or tool["type"] == "function"


def _name(definition: Mapping[str, Any]) -> Any:
    function = definition.get("function")
    return function.get("name") if isinstance(function, Mapping) else None


def _problems(path: str, tool: object) -> list[Problem]:
    if isinstance(tool, str):
        return []
    if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
        return [Problem(path, "give a served tool's name, or a wire definition with a type")]
    if tool["type"] != "function":
        return []
    name = _name(tool)
    if isinstance(name, str) and NAME_PATTERN.fullmatch(name):
        return []
    return [Problem(f"{path}.function.name", "give 1 to 64 of the characters A-Z a-z 0-9 _ -")]
