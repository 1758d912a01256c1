"""Whether the model must, may or must not call a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field

from threadrun.models.caller_object import CallerObject, WireName, read_by_type
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel

ToolChoiceMode: TypeAlias = Literal["none", "auto", "required"]
"""No tool, the model's choice, or at least one; Azure's enum lacks `required`."""


class ToolChoiceFunction(WireModel):
    """Name the function that the model must call."""

    name: TolerantText = ""
    """The function's name."""


class ToolChoice(WireModel):
    """Name the one tool that the model must call (AssistantsNamedToolChoice).

    A run's `tool_choice` is this object or the string none, auto or required; null on self-hosted servers.
    """

    type: TolerantText = ""
    """function, code_interpreter, file_search, or another tool's type at Azure."""
    function: Tolerant[ToolChoiceFunction] = None
    """The function, on type `function`."""


class CalledFunction(CallerObject):
    """Name a function for the model to call."""

    name: WireName
    """The function's name, 1 to 64 characters of A-Z, a-z, 0-9, _ and -."""


class FunctionToolChoice(CallerObject):
    """Make the model call this function."""

    type: Literal["function"] = "function"
    """Always function."""
    function: CalledFunction
    """Which."""


class OtherToolChoice(CallerObject):
    """Make the model call a tool of another type, known here or not; sent as it is given."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(min_length=1, max_length=64)]
    """The tool's type, 1 to 64 characters."""


def _read(value: Any) -> str | WireModel:
    if value in ("none", "auto", "required"):
        mode: str = value
        return mode
    wanted = (
        'none, auto, required, or an object such as {"type": "function", "function": {"name": …}} is wanted'
    )
    return read_by_type(value, {"function": FunctionToolChoice}, OtherToolChoice, wanted)


ToolChoiceInput: TypeAlias = Annotated[
    ToolChoiceMode | FunctionToolChoice | OtherToolChoice, BeforeValidator(_read)
]
"""What a caller may send as `tool_choice`."""
