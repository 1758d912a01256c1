"""Validate an object that a caller gives, by its `type`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, ConfigDict

from threadrun.models.wire import WireModel
from threadrun.models.wire_json import as_json


class CallerObject(WireModel):
    """Hold an object that a caller sends: validated strictly, unknown fields refused, written as given."""

    model_config = ConfigDict(extra="forbid")


def read_by_type(
    value: Any, kinds: Mapping[str, type[WireModel]], other: type[WireModel], wanted: str
) -> WireModel:
    """Read a caller's object as the class of its `type`, or as `other`, which says what types there are.

    Raises:
        ValueError: the value is not an object; `wanted` says what would be right.
        ValidationError: it does not fit its class; the paths lie inside the object.
    """
    if isinstance(value, WireModel):
        value = value.to_wire()
    if not isinstance(value, dict):
        raise ValueError(wanted)  # noqa: TRY004 - pydantic reports a ValueError with its path, never a TypeError
    kind = value.get("type")
    model = kinds.get(kind, other) if isinstance(kind, str) else other
    # A copy: what the caller does to its object later must not change the request.
    return model.model_validate(as_json(value))


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError("a name has 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    return name


WireName: TypeAlias = Annotated[str, AfterValidator(_check_name)]
"""The name of a function or of a schema (FunctionObject's and ResponseFormatJsonSchema's limit)."""
