"""The form that the model's answer must have."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StrictBool

from threadrun.models.caller_object import CallerObject, WireName, read_by_type
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel


class JsonSchemaFormat(WireModel):
    """Describe the schema that the answer fits (ResponseFormatJsonSchema's `json_schema`)."""

    name: TolerantText = ""
    """The schema's name."""
    description: Tolerant[str] = None
    """What it is for."""
    schema_: Tolerant[dict[str, Any]] = Field(default=None, alias="schema")
    """The JSON Schema; `schema` on the wire."""
    strict: Tolerant[bool] = None
    """Whether the model is held to it exactly."""


class ResponseFormat(WireModel):
    """Say what form the answer has (AssistantsApiResponseFormatOption); a run has this object or `"auto"`."""

    type: TolerantText = ""
    """text, json_object or json_schema."""
    json_schema: Tolerant[JsonSchemaFormat] = None
    """The schema, on type `json_schema`."""


class _AnyFormat(CallerObject):
    type: Literal["text", "json_object", "json_schema"]


class TextFormat(CallerObject):
    """Let the model answer in plain text."""

    type: Literal["text"] = "text"
    """Always text."""


class JsonObjectFormat(CallerObject):
    """Make the model answer with some JSON object; the instructions must ask for JSON too."""

    type: Literal["json_object"] = "json_object"
    """Always json_object."""


class AnswerSchema(CallerObject):
    """Describe the schema that the answer must fit."""

    name: WireName
    """1 to 64 characters of A-Z, a-z, 0-9, _ and -."""
    description: str | None = None
    """What it is for; the model reads it."""
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """A JSON Schema; `schema` on the wire."""
    strict: StrictBool | None = None
    """Whether the model is held to it exactly."""


class JsonSchemaAnswer(CallerObject):
    """Make the model answer with JSON that fits a schema."""

    type: Literal["json_schema"] = "json_schema"
    """Always json_schema."""
    json_schema: AnswerSchema
    """The schema."""


def _read(value: Any) -> str | WireModel:
    if value == "auto":
        return "auto"
    kinds: dict[str, type[WireModel]] = {
        "text": TextFormat,
        "json_object": JsonObjectFormat,
        "json_schema": JsonSchemaAnswer,
    }
    return read_by_type(
        value, kinds, _AnyFormat, 'auto, or an object such as {"type": "json_object"} is wanted'
    )


ResponseFormatInput: TypeAlias = Annotated[
    Literal["auto"] | TextFormat | JsonObjectFormat | JsonSchemaAnswer, BeforeValidator(_read)
]
"""What a caller may send as `response_format`."""
