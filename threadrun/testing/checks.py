"""Checks of request bodies that refuse in the words of OpenAI's validation.

A check takes a value and its path and gives the value back, or raises a `RefusedError`. Shapes are built of
checks in `threadrun.testing.shapes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from threadrun.testing.objects import JsonObject
from threadrun.testing.refusals import (
    invalid,
    invalid_type,
    invalid_value,
    missing_parameter,
    unknown_parameter,
)

Check: TypeAlias = Callable[[Any, str], Any]

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512


def text(max_length: int | None = None, pattern: str | None = None) -> Check:
    """Accept a string of at most so many characters that matches the pattern, if one is given."""

    def check(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise invalid_type(path, "a string", _kind(value))
        if max_length is not None and len(value) > max_length:
            raise _too_long(path, "string", max_length, len(value))
        if pattern is not None and not re.search(pattern, value):
            raise invalid(
                path,
                f"string does not match pattern. Expected a string that matches the pattern '{pattern}'.",
                "invalid_value",
            )
        return value

    return check


def word(*supported: str) -> Check:
    """Accept one of these words."""

    def check(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise invalid_type(path, "a string", _kind(value))
        if value not in supported:
            raise invalid_value(path, value, supported)
        return value

    return check


def integer(minimum: int, maximum: int | None = None) -> Check:
    """Accept a whole number in a range."""

    def check(value: Any, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid_type(path, "an integer", _kind(value))
        _check_range(value, path, "integer", minimum, maximum)
        return value

    return check


def decimal(minimum: float, maximum: float) -> Check:
    """Accept a number in a range."""

    def check(value: Any, path: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise invalid_type(path, "a decimal", _kind(value))
        _check_range(value, path, "decimal", minimum, maximum)
        return float(value)

    return check


def boolean(value: Any, path: str) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise invalid_type(path, "a boolean", _kind(value))
    return value


def any_object(value: Any, path: str) -> JsonObject:
    """Accept any object."""
    if not isinstance(value, dict):
        raise invalid_type(path, "an object", _kind(value))
    return value


def optional(check: Check) -> Check:
    """Accept null too."""
    return lambda value, path: None if value is None else check(value, path)


def array(item: Check, max_length: int | None = None) -> Check:
    """Accept an array of at most so many items."""

    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_type(path, "an array", _kind(value))
        if max_length is not None and len(value) > max_length:
            raise _too_long(path, "array", max_length, len(value))
        return [item(element, f"{path}[{number}]") for number, element in enumerate(value)]

    return check


def fields(shape: Mapping[str, Check], required: Sequence[str] = ()) -> Check:
    """Accept an object with these members and no others."""

    def check(value: Any, path: str) -> JsonObject:
        members = any_object(value, path or "body")
        for name in required:
            if name not in members:
                raise missing_parameter(_join(path, name))
        for name in members:
            if name not in shape:
                raise unknown_parameter(_join(path, name))
        return {name: shape[name](member, _join(path, name)) for name, member in members.items()}

    return check


def either(first: type, first_check: Check, other_check: Check) -> Check:
    """Accept what the first check accepts if the value is of that type, else what the other accepts."""
    return lambda value, path: (first_check if isinstance(value, first) else other_check)(value, path)


def by_type(shapes: Mapping[str, Check]) -> Check:
    """Accept an object whose `type` names the check for it."""

    def check(value: Any, path: str) -> JsonObject:
        members = any_object(value, path)
        if "type" not in members:
            raise missing_parameter(_join(path, "type"))
        name = word(*shapes)(members["type"], _join(path, "type"))
        checked: JsonObject = shapes[name](members, path)
        return checked

    return check


def metadata(value: Any, path: str) -> dict[str, str]:
    """Accept at most 16 pairs of strings, 64 and 512 characters long; null is none."""
    pairs = any_object({} if value is None else value, path)
    if len(pairs) > MAX_METADATA_PAIRS:
        raise invalid(
            path,
            f"too many properties. Expected an object with at most {MAX_METADATA_PAIRS} properties, "
            f"but got an object with {len(pairs)} properties instead.",
            "object_above_max_properties",
        )
    for name, member in pairs.items():
        text(MAX_METADATA_KEY)(name, path)
        text(MAX_METADATA_VALUE)(member, _join(path, name))
    return pairs


def _check_range(value: float, path: str, kind: str, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and value < minimum:
        raise invalid(
            path,
            f"{kind} below minimum value. Expected a value >= {minimum}, but got {value} instead.",
            f"{kind}_below_min_value",
        )
    if maximum is not None and value > maximum:
        raise invalid(
            path,
            f"{kind} above maximum value. Expected a value <= {maximum}, but got {value} instead.",
            f"{kind}_above_max_value",
        )


def _too_long(path: str, kind: str, maximum: int, length: int) -> Exception:
    article = "an" if kind == "array" else "a"
    return invalid(
        path,
        f"{kind} too long. Expected {article} {kind} with maximum length {maximum}, but got {article} {kind} "
        f"with length {length} instead.",
        f"{kind}_above_max_length",
    )


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return "null" if value is None else names.get(type(value), "an object")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
