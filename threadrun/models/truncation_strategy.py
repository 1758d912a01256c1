"""How a thread is cut to fit the model's context."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from threadrun.models.caller_object import CallerObject, read_by_type
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel


class TruncationStrategy(WireModel):
    """Say how the server cut the thread (TruncationObject).

    Null on self-hosted servers. `last_messages` is null unless the type is last_messages.
    """

    type: TolerantText = ""
    """auto or last_messages."""
    last_messages: Tolerant[int] = None
    """How many of the newest messages the model sees, at least 1."""


class _AnyTruncation(CallerObject):
    type: Literal["auto", "last_messages"]


class AutoTruncation(CallerObject):
    """Leave out messages from the middle of the thread where it is too long: the server's default."""

    type: Literal["auto"] = "auto"
    """Always auto."""
    last_messages: None = None
    """Null, where it is given at all."""


class LastMessagesTruncation(CallerObject):
    """Show the model only the newest messages."""

    type: Literal["last_messages"] = "last_messages"
    """Always last_messages."""
    last_messages: Annotated[int, Field(ge=1, strict=True)]
    """How many, at least 1."""


def _read(value: Any) -> WireModel:
    kinds: dict[str, type[WireModel]] = {"auto": AutoTruncation, "last_messages": LastMessagesTruncation}
    return read_by_type(value, kinds, _AnyTruncation, 'an object such as {"type": "auto"} is wanted')


TruncationStrategyInput: TypeAlias = Annotated[
    AutoTruncation | LastMessagesTruncation, BeforeValidator(_read)
]
"""What a caller may send as `truncation_strategy`."""
