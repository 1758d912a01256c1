"""Handlers that judge what they are given by plain Python, not by what let it through."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from threadrun.tools import tool


@dataclass(slots=True)
class Entered:
    """Count entries."""

    times: int = 0
    """Since they were last taken."""
    wrong: int = 0
    """With a value that does not fit."""

    sent: str = ""
    """What the model wrote for the present call."""

    def once(self, right: bool, **values: object) -> None:
        """Note an entry: its values are right if they fit and are exactly what was written."""
        written = json.loads(self.sent) if self.sent.strip() else {}
        given = [_is_as_written(values[name], written[name]) for name in values.keys() & written.keys()]
        self.times += 1
        self.wrong += not (right and all(given) and written.keys() <= values.keys())

    def take(self) -> int:
        """Give the entries since the last call."""
        times, self.times = self.times, 0
        return times


entered = Entered()


class Point(BaseModel):
    """A place."""

    x: int
    y: float


def _is_as_written(value: object, written: object) -> bool:
    match value:
        case BaseModel():
            return isinstance(written, dict) and all(
                _is_as_written(of, written[n]) for n, of in value if n in written
            )
        case list():
            return isinstance(written, list) and all(map(_is_as_written, value, written))
        case date():
            return value.isoformat() == written
        case float():
            return type(written) in {int, float} and value == written
    return type(value) is type(written) and value == written


def _is_text(value: object) -> bool:
    return type(value) is str and value.encode("utf-8", "strict") is not None


@tool(name="hostile_add")
def add(a: int, b: Annotated[int, Field(ge=0)]) -> str:
    """Add."""
    entered.once(type(a) is int and type(b) is int and b >= 0, a=a, b=b)
    return "ok"


@tool(name="hostile_weather")
def weather(city: Annotated[str, Field(min_length=1, max_length=100)], unit: Literal["c", "f"] = "c") -> str:
    """Tell the weather."""
    entered.once(_is_text(city) and 0 < len(city) <= 100 and unit in {"c", "f"}, city=city, unit=unit)
    return "ok"


@tool(name="hostile_total")
def total(items: Annotated[list[int], Field(max_length=1_000)]) -> str:
    """Sum up."""
    entered.once(
        type(items) is list and len(items) <= 1_000 and all(type(item) is int for item in items), items=items
    )
    return "ok"


@tool(name="hostile_where")
def where(point: Point, note: str | None = None) -> str:
    """Find a place."""
    fits = type(point.x) is int and type(point.y) is float and math.isfinite(point.y)
    entered.once(fits and (note is None or _is_text(note)), point=point, note=note)
    return "ok"


@tool(name="hostile_plan")
def plan(when: date, flag: bool, ratio: Annotated[float, Field(ge=0, le=1)] = 0.5) -> str:
    """Plan a day."""
    entered.once(
        type(when) is date and type(flag) is bool and type(ratio) is float and 0 <= ratio <= 1,
        when=when,
        flag=flag,
        ratio=ratio,
    )
    return "ok"


@tool(name="hostile_nothing")
def nothing() -> str:
    """Do nothing."""
    entered.once(right=True)
    return "ok"


HANDLERS: tuple[Callable[..., Any], ...] = (add, weather, total, where, plan, nothing)
"""One of each kind of signature."""
