"""Field types for a wire whose servers disagree: what is null, absent or of a wrong type reads as absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AllowInfNan, GetCoreSchemaHandler, Strict, StrictInt
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AbsentIfWrong:
    """Give a field its empty value when what was sent does not fit; `to_wire` still has what was sent.

    Decided inside pydantic's core, so a field that fits costs nothing more.
    """

    empty: Callable[[], Any]
    """Makes the value that stands for absence."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(
            handler(source), default_factory=self.empty, on_error="default"
        )


@dataclass(frozen=True, slots=True)
class LeftOutIfWrong:
    """Leave an item out of its array when it does not fit; `to_wire` still has it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), on_error="omit")


def _none() -> None:
    return None


Tolerant: TypeAlias = Annotated[T | None, AbsentIfWrong(_none)]
"""A value, or None."""

TolerantText: TypeAlias = Annotated[str, AbsentIfWrong(str)]
"""A string, or the empty string."""

TolerantCount: TypeAlias = Annotated[int, AbsentIfWrong(int)]
"""A whole number, or 0."""

TolerantFlag: TypeAlias = Annotated[bool, AbsentIfWrong(bool)]
"""A boolean, or False."""

TolerantObject: TypeAlias = Annotated[dict[str, Any], AbsentIfWrong(dict)]
"""A JSON object, or the empty one."""

TolerantTuple: TypeAlias = Annotated[tuple[Annotated[T, LeftOutIfWrong()], ...], AbsentIfWrong(tuple)]
"""A JSON array as a tuple without the items that do not fit, or the empty tuple."""

Number: TypeAlias = StrictInt | Annotated[float, Strict(), AllowInfNan(False)]
"""A number in the form it was sent in; a boolean, a string or one too big for a float is none."""
