"""Cut the items of a JSON array out of its text, so that each keeps its own: every digit and every repeated key."""

from __future__ import annotations

import json

_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder()


def item_texts(text: str) -> list[str]:
    """Cut a JSON array into the texts of its items.

    Raises:
        ValueError: it is no JSON array, or nested too deeply.
    """
    try:
        return _items(text, _skip(text, 0))[0]
    except (IndexError, RecursionError):
        raise ValueError("no JSON array") from None


def member_item_texts(text: str, name: str) -> list[str]:
    """Cut the array that is a member of a JSON object; of a member that is repeated, the last one.

    Raises:
        ValueError: there is no such array, or it is nested too deeply.
    """
    try:
        return _member(text, name)
    except (IndexError, RecursionError):
        raise ValueError(f"no JSON object with an array {name}") from None


def _member(text: str, name: str) -> list[str]:
    found: list[str] | None = None
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        if key == name and text[at] == "[":
            found, end = _items(text, at)
        else:
            end = _DECODER.raw_decode(text, at)[1]
        at = _after_comma(text, end)
    if found is None:
        raise ValueError(f"no array {name}")
    return found


def _items(text: str, at: int) -> tuple[list[str], int]:
    """Give the items of the array that begins here, and where it ends."""
    if text[at] != "[":
        raise ValueError("no JSON array")
    items: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _DECODER.raw_decode(text, at)[1]
        items.append(text[at:end])
        at = _after_comma(text, end)
    return items, at + 1


def _after_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
