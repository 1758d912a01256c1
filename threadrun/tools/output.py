"""From a handler's return value to the text that the model gets."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

DEFAULT_MAX_OUTPUT_BYTES = 512 * 1024
"""Where an output is cut unless the tool says otherwise; servers refuse strings of more than 1 MiB."""

MIN_MAX_OUTPUT_BYTES = 256
"""The smallest limit that a tool may set: less would leave no room for the marker and the error form."""


def serialise(value: Any) -> str:
    """Turn a handler's return value into text: a string as it is, anything else as JSON.

    pydantic does the work, so models, dataclasses, dates, enums, UUIDs and decimals are told as their own
    serialisers say (a model's own NaN is `null` by pydantic's default).

    Raises:
        ValueError: the value holds NaN, an infinity, a cycle, a type without JSON form, or text that is no
            Unicode; or a serialiser of its own failed.
    """
    if isinstance(value, str):
        text = str.__str__(value)
        text.encode("utf-8")
        return text
    encoded = to_json(value)
    if b"NaN" in encoded or b"Infinity" in encoded:
        # pydantic can write these constants but not refuse them; strings may hold the same letters.
        from_json(encoded, allow_inf_nan=False)
    return encoded.decode("utf-8")


def cut(text: str, max_bytes: int) -> tuple[str, int]:
    """Keep the head of a text that is too long, and say at its end how many bytes were cut.

    The marker counts towards the limit, and no character is cut in half.

    Returns:
        The text, and the number of bytes that were cut away.
    """
    encoded = text.encode("utf-8")
    if len(encoded) <= max_bytes:
        return text, 0
    room = max_bytes - len(_marker(len(encoded)).encode("utf-8"))
    head = encoded[:room].decode("utf-8", "ignore")
    cut_bytes = len(encoded) - len(head.encode("utf-8"))
    return head + _marker(cut_bytes), cut_bytes


def _marker(cut_bytes: int) -> str:
    return f"\n[output truncated: {cut_bytes} bytes cut]"
