"""Say in plain words what pydantic found wrong, without ever repeating a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from threadrun.errors import Problem

MAX_NAME_CHARACTERS = 70
"""A name that a caller chose is cut to this in a path."""

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "none_required": "must be null",
    "union_tag_invalid": "must be of one of these types: {expected_tags}",
    "union_tag_not_found": "must say of what type it is",
    "json_invalid": "is not valid JSON: {error}",
    "json_type": "must be JSON text",
}
_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "bool": "must be true or false",
    "list": "must be a list",
    "tuple": "must be a list",
    "set": "must be a list",
    "frozen_set": "must be a list",
    "dict": "must be an object",
    "mapping": "must be an object",
    "model": "must be an object",
    "model_attributes": "must be an object",
    "dataclass": "must be an object",
    "date": "must be a date such as 2026-01-31",
    "datetime": "must be a time such as 2026-01-31T08:00:00Z",
    "uuid": "must be a UUID",
}
_ENDS = ("_type", "_parsing", "_parsing_size", "_from_float", "_from_datetime_parsing", "_from_date_parsing")


def problems_of(error: ValidationError) -> Iterator[Problem]:
    """Tell each thing that is wrong, with its path."""
    for item in error.errors(include_url=False, include_input=False):
        yield Problem(".".join(_name(part) for part in item["loc"]), _said(item))


def plainly(kind: str, values: Mapping[str, Any], message: str) -> str:
    """Put one of pydantic's errors, by its type, context and own words, into ours."""
    if values.get("field_type") == "Value":  # a secret: pydantic does not say that it is a text
        kind = f"string_{kind}"
    if kind in {"string_too_short", "too_short"} and values.get("min_length") == 1:
        return "must not be empty"
    if kind in _WORDS:
        return _WORDS[kind].format(**{name: _short(value) for name, value in values.items()})
    stem = next((kind.removesuffix(end) for end in _ENDS if kind.endswith(end)), "")
    plain = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _KINDS.get(stem) or plain.replace("Input should", "must", 1)


def _said(item: Mapping[str, Any]) -> str:
    return plainly(item["type"], item.get("ctx", {}), item["msg"])


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _name(part: int | str) -> str:
    text = str(part)
    return text if len(text) <= MAX_NAME_CHARACTERS else f"{text[:MAX_NAME_CHARACTERS]}…"
