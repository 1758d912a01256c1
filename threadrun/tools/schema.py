"""From a handler's parameters to the model that validates its arguments, and to their JSON schema."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from threadrun.tools.signature import HandlerParameter

JsonSchema = dict[str, Any]

_KEYED_BY_NAME = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_HOLDING_VALUES = frozenset({"default", "examples", "enum", "const", "required", "discriminator"})


_NO_WARNINGS: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}


class _QuietJsonSchema(GenerateJsonSchema):
    """Leave a default that JSON cannot say out of the schema without a warning; it stays optional."""

    ignored_warning_kinds = _NO_WARNINGS


def build_model(parameters: Sequence[HandlerParameter], *, validate_default: bool = False) -> type[BaseModel]:
    """Build the model that validates a call's arguments.

    Its fields are numbered (`p0`, `p1`, …) and known outside by the parameters' names, so that a parameter
    may be called `json`, `schema` or `_private`, which pydantic's models reserve.

    Raises:
        Exception: whatever pydantic or a type of the user's raises for an annotation that it cannot build.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=validate_default)
    fields = {f"p{index}": _field(parameter) for index, parameter in enumerate(parameters)}
    model: type[BaseModel] = create_model("Arguments", __config__=config, **fields)
    if list(model.model_fields) != list(fields):
        raise TypeError("not the type of a value")
    return model


def build_schema(model: type[BaseModel], descriptions: dict[str, str]) -> JsonSchema:
    """Build the JSON schema of a call's arguments, as OpenAI-compatible servers take it.

    Args:
        model: the model of the arguments.
        descriptions: what the docstring says of each parameter; a `Field(description=…)` wins over it.

    Raises:
        Exception: whatever pydantic raises for a type without a JSON schema.
    """
    raw = _without_titles(model.model_json_schema(schema_generator=_QuietJsonSchema))
    properties: dict[str, JsonSchema] = raw.get("properties", {})
    for name, description in descriptions.items():
        if name in properties:
            properties[name].setdefault("description", description)
    schema: JsonSchema = {
        "type": "object",
        "properties": properties,
        "required": raw.get("required", []),
        "additionalProperties": False,
    }
    if "$defs" in raw:
        schema["$defs"] = raw["$defs"]
    return schema


def schema_problems(parameters: Sequence[HandlerParameter]) -> list[str]:
    """Find the parameters whose types cannot be offered to a model, trying each one alone."""
    problems = []
    for parameter in parameters:
        try:
            build_schema(build_model([parameter]), {})
        except Exception as error:  # whatever a foreign type raises, it is unfit
            problems.append(_unfit(parameter, error))
    return problems


def default_problems(parameters: Sequence[HandlerParameter]) -> list[str]:
    """Find the parameters whose defaults are no values of their types; nothing else ever checks a default."""
    problems: list[str] = []
    for parameter in parameters:
        if parameter.default is inspect.Parameter.empty or _is_made_later(parameter.default):
            continue
        try:
            build_model([parameter], validate_default=True).model_validate({}, strict=True)
        except ValidationError as error:
            problems += _unfit_default(parameter, error)
    return problems


def _is_made_later(default: Any) -> bool:
    return isinstance(default, FieldInfo) and default.default_factory is not None


def _unfit_default(parameter: HandlerParameter, error: ValidationError) -> Iterator[str]:
    default = parameter.default.default if isinstance(parameter.default, FieldInfo) else parameter.default
    remedy = "allow it with `| None`" if default is None else "correct the default or the annotation"
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] != "missing":
        yield f"parameter {parameter.name}: its default {default!r} does not fit ({first['msg']}): {remedy}"


def _field(parameter: HandlerParameter) -> Any:
    annotation: Any = parameter.annotation
    metadata: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is Annotated:
        annotation, metadata = annotation.__origin__, annotation.__metadata__
    # Ours comes first, so that a user's own wins: `from_: Annotated[str, Field(alias="from")]`.
    named = typing.cast(Any, Annotated)[(annotation, Field(alias=parameter.name), *metadata)]
    return named if parameter.default is inspect.Parameter.empty else (named, parameter.default)


def _unfit(parameter: HandlerParameter, error: Exception) -> str:
    cause = next(iter(str(error).splitlines()), "")
    return (
        f"parameter {parameter.name}: {parameter.annotation!r} has no JSON schema "
        f"({type(error).__name__}: {cause}): "
        "use JSON's own types, dates, Enum, Literal, dataclasses, TypedDict or pydantic models"
    )


def _without_titles(schema: JsonSchema) -> JsonSchema:
    """Drop the titles that pydantic makes of every name; a property called `title` stays."""
    return {key: _clean(key, value) for key, value in schema.items() if key != "title"}


def _clean(key: str, value: Any) -> Any:
    if key in _HOLDING_VALUES:
        return value
    if key in _KEYED_BY_NAME:
        return {name: _without_titles(part) for name, part in value.items()}
    if isinstance(value, dict):
        return _without_titles(value)
    if isinstance(value, list):
        return [_without_titles(part) if isinstance(part, dict) else part for part in value]
    return value
