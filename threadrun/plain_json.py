"""Check that a caller's values are what JSON can say, before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from threadrun.errors import Problem

MAX_DEPTH = 100
"""How deep values may be nested; also the end of a value that holds itself."""

MAX_DIGITS = 4_300
"""How many digits a whole number may have: Python writes and reads no more."""

_TOO_LONG = 10**MAX_DIGITS


def plain_json(value: Any, path: str, problems: list[Problem], depth: int = 0) -> Any:
    """Turn mappings and models into dicts, sequences into lists, and note whatever JSON has no word for.

    Nothing is raised: `problems` grows, each with its path.
    """
    match value:
        case str():
            if not _encodable(value):
                problems.append(Problem(path, "holds half of a surrogate pair, which is no text"))
        case float() if not math.isfinite(value):
            problems.append(Problem(path, "is not a finite number"))
        case int() if not -_TOO_LONG < value < _TOO_LONG:
            problems.append(Problem(path, f"has more than {MAX_DIGITS} digits"))
        case None | bool() | int() | float():
            pass
        case _ if depth >= MAX_DEPTH and isinstance(value, Mapping | Sequence):
            problems.append(Problem(path, f"is nested more than {MAX_DEPTH} deep"))
        # The usual types first: to ask an abstract class or a model whether it is one takes far longer.
        case dict() | Mapping():
            return {
                _name(key, path, problems): plain_json(item, _inside(path, key), problems, depth + 1)
                for key, item in value.items()
            }
        case list() | tuple() | Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [plain_json(item, _inside(path, at), problems, depth + 1) for at, item in enumerate(value)]
        case BaseModel():
            return plain_json(value.model_dump(mode="json", exclude_none=True), path, problems, depth + 1)
        case _:
            problems.append(Problem(path, f"{type(value).__name__} is not a JSON type"))
    return value


def _name(key: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(key, str) or not _encodable(key):
        problems.append(Problem(path, f"has a name of type {type(key).__name__}; names are texts"))
    return key


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
