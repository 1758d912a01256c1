"""Read a point in time as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from threadrun.client.reading import misasked
from threadrun.errors import InvalidRequest, Problem

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_since(text: str, now: datetime) -> datetime:
    """Read an age (`90s`, `15m`, `2h`, `3d`, `1w`) or an ISO time; one without a zone is UTC.

    Raises:
        InvalidRequest: It is neither.
    """
    age = _AGE.fullmatch(text.strip())
    try:
        if age:
            return now - timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
        at = datetime.fromisoformat(text.strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        example = "an age such as 90s, 15m, 2h or 3d, or a time such as 2026-01-31T08:00Z"
        raise misasked(Problem("--since", f"give {example}")) from None


def parse_age(text: str, option: str) -> timedelta:
    """Read an age: `90s`, `15m`, `2h`, `30d`, `4w`.

    Raises:
        InvalidRequest: It is none.
    """
    age = _AGE.fullmatch(text.strip())
    try:
        if age:
            return timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
    except OverflowError:
        pass
    raise InvalidRequest([Problem(option, "give an age such as 90s, 15m, 2h, 30d or 4w")])
