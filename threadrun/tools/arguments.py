"""From the arguments that a model wrote to the values that a handler takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from threadrun.errors import Problem, ToolArgumentsInvalid
from threadrun.plain_words import problems_of

MAX_ARGUMENTS_BYTES = 1024 * 1024
"""Longer arguments are refused unread; servers cap a string at as much."""

MAX_ARGUMENTS_DEPTH = 64
"""Arguments nested deeper are refused unparsed."""

MAX_PROBLEMS = 20
"""So many problems are told to the model; the rest is counted."""

_MAX_ITEMISED_PROBLEMS = 1000
_MAX_PROBLEM_CHARACTERS = 300

# Possessive throughout: whatever the text is, it is read once.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{}]', re.DOTALL)


def parse_arguments(tool: str, model: type[BaseModel], text: str) -> BaseModel:
    """Validate a call's arguments strictly, without ever repeating them in what is told.

    Limits are checked before anything is parsed. An empty text counts as `{}`: some models send it for a tool
    without parameters.

    Raises:
        ToolArgumentsInvalid: the text is too long, nested too deep, no JSON, no object, or does not fit.
    """
    problem = _limit_problem(text)
    if problem is not None:
        raise ToolArgumentsInvalid(tool, [Problem("", problem)])
    if not text.strip():
        text = "{}"
    try:
        arguments = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ToolArgumentsInvalid(tool, _few_problems(error)) from None
    if "NaN" in text or "Infinity" in text:
        _refuse_non_json_constants(tool, text)
    return arguments


def _limit_problem(text: str) -> str | None:
    try:
        size_bytes = len(text) if len(text) > MAX_ARGUMENTS_BYTES else len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "the arguments are not valid Unicode"
    if size_bytes > MAX_ARGUMENTS_BYTES:
        return f"the arguments are longer than {MAX_ARGUMENTS_BYTES} bytes"
    if _is_too_deep(text):
        return f"the arguments are nested deeper than {MAX_ARGUMENTS_DEPTH} levels"
    return None


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_ARGUMENTS_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        match text[match.start()]:
            case "[" | "{":
                depth += 1
                if depth > MAX_ARGUMENTS_DEPTH:
                    return True
            case "]" | "}":
                depth = max(0, depth - 1)
    return False


def _refuse_non_json_constants(tool: str, text: str) -> None:
    # pydantic's parser takes the bare words NaN and Infinity for numbers; JSON (RFC 8259) knows neither.
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ToolArgumentsInvalid(tool, [Problem("", f"Invalid JSON: {error}")]) from None


def _few_problems(error: ValidationError) -> Sequence[Problem]:
    count = error.error_count()
    if count > _MAX_ITEMISED_PROBLEMS:
        return [Problem("", f"{count} values do not fit the schema")]
    problems = islice(problems_of(error), MAX_PROBLEMS)
    told = [Problem(_shortened(problem.path), _shortened(problem.message)) for problem in problems]
    if count > MAX_PROBLEMS:
        told.append(Problem("", f"and {count - MAX_PROBLEMS} problems more"))
    return told


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_PROBLEM_CHARACTERS else text[:_MAX_PROBLEM_CHARACTERS] + "…"
