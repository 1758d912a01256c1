"""When a provider says to come again: the many forms of one number."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

MAX_HINT_SECONDS = 60.0
"""A longer wish is cut to this; the engine's own deadline decides what lies beyond."""

_POLL_AFTER_MS = "openai-poll-after-ms"
_MILLISECOND_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms")
# "Try again in 2 seconds." (Azure gateway), "Please try again in 1.2s." and "in 20ms." (OpenAI).
_TEXT = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(\d{1,9}(?:\.\d{1,9})?)\s*(milliseconds?|ms|seconds?|secs?|s)\b",
    re.IGNORECASE,
)


def poll_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read the hint of a 2xx answer not to look again sooner."""
    hint = _number(headers.get(_POLL_AFTER_MS), per_second=1000)
    return retry_after_seconds(headers) if hint is None else hint


def retry_after_seconds(headers: Mapping[str, str], text: str | None = None) -> float | None:
    """Read the hint of a refusal, from its headers or else from its text; 0 to 60."""
    for name in _MILLISECOND_HEADERS:
        hint = _number(headers.get(name), per_second=1000)
        if hint is not None:
            return hint
    value = headers.get("retry-after")
    for hint in (_number(value), _until(value, headers.get("date")), _in_text(text)):
        if hint is not None:
            return hint
    return None


def _number(value: str | None, *, per_second: int = 1) -> float | None:
    try:
        return None if value is None else _clamped(float(value) / per_second)
    except ValueError:
        return None


def _until(value: str | None, sent_at: str | None) -> float | None:
    if value is None or sent_at is None:
        return None
    # Held against the server's own Date: the two clocks need not agree.
    try:
        until, since = parsedate_to_datetime(value), parsedate_to_datetime(sent_at)
        return _clamped((until - since).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _in_text(text: str | None) -> float | None:
    found = _TEXT.search(text) if text else None
    if found is None:
        return None
    per_second = 1000 if found[2].lower().startswith("m") else 1
    return _number(found[1], per_second=per_second)


def _clamped(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_HINT_SECONDS)
