"""Read, copy and write JSON so that nothing the wire said is lost."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

JsonObject = dict[str, Any]
"""A JSON object as Python holds it."""


# json.dumps makes an encoder anew for each call whose options are not its own defaults.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_TOO_BIG = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity')


def read_any_json(text: bytes | str) -> Any:
    """Parse JSON text that the fast parser refuses though JSON allows it.

    That is half of a surrogate pair (a server cut a string), a byte order mark, or deep nesting.

    Raises:
        ValueError: the text is not JSON; `NaN` and `Infinity` are not.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def utf8_text(text: bytes | str) -> str:
    """Decode JSON of UTF-8, without its byte order mark.

    Raises:
        ValueError: it has another encoding.
    """
    if isinstance(text, str):
        return text
    if not json.detect_encoding(text).startswith("utf-8"):
        raise ValueError("not UTF-8")
    return text.decode("utf-8-sig")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def write_json(value: Any) -> str:
    """Write a JSON value compactly, its objects in the order they have.

    Raises:
        ValueError: a number is not finite.
        TypeError: a value is not of a JSON type.
    """
    text = _COMPACT.encode(value)
    # Half of a surrogate pair cannot be encoded as UTF-8; escaped it can.
    return text if _encodable(text) else json.dumps(value, separators=(",", ":"), allow_nan=False)


def write_parsed(value: Any) -> str:
    """Write JSON that was parsed: a number that was too big for a float is written as one, 1e999."""
    try:
        return write_json(value)
    except ValueError:
        return _TOO_BIG.sub(_as_number, json.dumps(value, separators=(",", ":")))


def _as_number(token: re.Match[str]) -> str:
    return token[0].replace("Infinity", "1e999") if token[0][0] != '"' else token[0]


def as_json(value: Any) -> Any:
    """Copy a value deeply as JSON holds it: mappings become dicts, tuples become lists.

    Raises:
        ValueError: a value is not of a JSON type, a key is not a string, or a number is not finite.
    """
    match value:
        case Mapping():
            return {_key(key): as_json(item) for key, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
        case float() if not math.isfinite(value):
            raise ValueError("a number that is not finite is not JSON")
        case str() | bool() | int() | float() | None:
            return value
    raise ValueError(f"{type(value).__name__} is not a JSON type")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise ValueError(f"a key of an object is {type(key).__name__}, not a string")


def with_whole_characters(value: Any) -> Any:
    """Copy a JSON value with U+FFFD for each half of a surrogate pair, so that its strings can be encoded."""
    match value:
        case dict():
            return {with_whole_characters(key): with_whole_characters(item) for key, item in value.items()}
        case list():
            return [with_whole_characters(item) for item in value]
        case str() if not _encodable(value):
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
