"""What a server says went wrong, in whatever form it says so."""

from __future__ import annotations

import html
import re
from typing import Any, TypeAlias

from threadrun.models.wire_json import read_any_json

MAX_MESSAGE_CHARACTERS = 1_000
"""Longer messages are cut."""

MAX_WORD_CHARACTERS = 200
"""Longer types, params and codes are cut."""

ErrorFields: TypeAlias = dict[str, str | None]
"""`message`, `type`, `param` and `code`."""

_READ_CHARACTERS = 16 * 1024
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]*)", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


def read_error(body: bytes) -> ErrorFields | None:
    """Read an error body: OpenAI's, FastAPI's, a gateway's, plain text or HTML; None when it is empty."""
    try:
        fields = _of_json(read_any_json(body))
    except (ValueError, RecursionError):
        fields = _fields(_of_text(body))
    return None if all(value is None for value in fields.values()) else fields


def _of_json(value: Any) -> ErrorFields:
    match value:
        case {"error": dict(error)}:
            return _of_object(error)
        case {"error": str(word)}:
            return _of_object({"message": value.get("error_description") or word} | value)
        case {"errors": [first, *_]}:
            return _of_json(first)
        case dict():
            return _of_object(value)
        case [first, *_]:
            return _of_json(first)
    return _fields(value)


def _of_object(error: dict[str, Any]) -> ErrorFields:
    """Read an object that carries the message itself, or FastAPI's `detail`."""
    detail = error.get("detail")
    if isinstance(detail, list):
        return _of_validation_errors(detail)
    if isinstance(detail, dict):
        return _of_json(detail)
    message = error.get("message") or detail or error.get("title") or error.get("msg")
    code = error.get("code", error.get("statusCode"))
    return _fields(message, error.get("type"), error.get("param"), code)


def _of_validation_errors(items: list[Any]) -> ErrorFields:
    """Read FastAPI's list of `{loc, msg, type}`."""
    problems = [(_path(item.get("loc")), item) for item in items if isinstance(item, dict)]
    message = "; ".join(f"{path}: {item.get('msg')}" for path, item in problems[:20])
    if not problems:
        return _fields(items)
    path, first = problems[0]
    return _fields(message, first.get("type"), path)


def _path(loc: Any) -> str:
    return ".".join(str(part) for part in loc[:20]) if isinstance(loc, list) else ""


def _of_text(body: bytes) -> str:
    text = body[:_READ_CHARACTERS].decode("utf-8", "replace")
    if not text.lstrip().startswith("<"):
        return text
    title = _TITLE.search(text)
    return html.unescape(title[1] if title else _TAG.sub(" ", _HIDDEN.sub(" ", text)))


def _fields(message: Any, kind: Any = None, param: Any = None, code: Any = None) -> ErrorFields:
    return {
        "message": _line(message, MAX_MESSAGE_CHARACTERS),
        "type": _line(kind, MAX_WORD_CHARACTERS),
        "param": _line(param, MAX_WORD_CHARACTERS),
        "code": _line(code, MAX_WORD_CHARACTERS),
    }


def _line(value: Any, max_characters: int) -> str | None:
    """Give a value as one printable line, or None when there is nothing to print."""
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)[: 2 * max_characters]
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * max_characters])
    return " ".join(printable.split())[:max_characters] or None
