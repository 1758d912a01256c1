"""The model that every wire object is: tolerant when read, and given back exactly as it came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import from_json

from threadrun.errors import Problem
from threadrun.models.wire_invalid import WireInvalid
from threadrun.models.wire_json import (
    JsonObject,
    as_json,
    read_any_json,
    utf8_text,
    with_whole_characters,
    write_json,
    write_parsed,
)


class Construction:
    """Mark the validation of a model built in Python: its fields are its only source."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> bool:
        """Tell whether this is the model being built; what is validated after it lies inside it."""
        first, self._begun = not self._begun, True
        return first


class WireModel(BaseModel):
    """Hold one object of the wire, frozen, with everything the server sent.

    Read with `from_wire`, it keeps its source and gives it back: unknown fields, null or absence, the form
    of numbers, the order of keys. Built in Python, it writes the fields that were given, and refuses values
    that reading would treat as absent. A field's type is what a server should send; null, absence and a
    wrong type all read as the field's empty value.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, validate_by_name=True, validate_by_alias=True, hide_input_in_errors=True
    )

    _shown: ClassVar[frozenset[str]] = frozenset({"id", "object", "type", "status", "role"})

    def __init__(self, /, **data: Any) -> None:
        self.__pydantic_validator__.validate_python(data, self_instance=self, context=Construction())

    # Without pydantic's own mark, reading would call __init__ for every nested object.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def _source(self) -> bytes | str | JsonObject | None:
        """Bytes or text: as received. A dict: the parsed object. None: built in Python."""
        return self.__pydantic_private__["source"] if self.__pydantic_private__ else None

    def _came_as(self, source: bytes | str | JsonObject) -> None:
        # Kept where pydantic keeps private attributes; a declared one costs each object more than its fields do.
        object.__setattr__(self, "__pydantic_private__", {"source": source})

    @classmethod
    def from_wire(cls, source: bytes | str | Mapping[str, Any]) -> Self:
        """Read an object of the wire from JSON text, or from the object already parsed.

        Raises:
            WireInvalid: it is not a JSON object, or lacks a field without which it means nothing.
        """
        try:
            if isinstance(source, Mapping):
                return cls._read(as_json(source))
            return cls._read_text(source)
        except ValidationError as error:
            raise WireInvalid.of(cls.__name__, error) from None
        except ValueError as error:
            raise WireInvalid(cls.__name__, [Problem("", f"not JSON: {error}")]) from None
        except RecursionError:
            raise WireInvalid(cls.__name__, [Problem("", "nested too deeply")]) from None

    @classmethod
    def _read_text(cls, text: bytes | str) -> Self:
        try:
            parsed = from_json(text, allow_inf_nan=False)
        except (ValueError, TypeError):
            model = cls._read(read_any_json(text))
            with suppress(ValueError):  # in another encoding its object has to do
                model._came_as(utf8_text(text))
            return model
        model = cls.__pydantic_validator__.validate_python(parsed)
        # The text itself, since only it has repeated keys and every digit.
        model._came_as(text)
        return model

    @classmethod
    def _read(cls, source: JsonObject) -> Self:
        model = cls.model_validate(with_whole_characters(source))
        model._came_as(source)
        return model

    @model_validator(mode="wrap")
    @classmethod
    def _keep_source(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        construction = info.context if isinstance(info.context, Construction) else None
        being_built = construction is not None and construction.begin()
        kind = cls if being_built else cls._kind_of(value)
        if kind is not cls:
            other: Self = kind.__pydantic_validator__.validate_python(value, context=info.context)
            return other
        model = handler(value)
        if construction and type(value) is dict:
            model._refuse_what_was_dropped(value)
        elif type(value) is dict:
            model._came_as(value)
        return model

    @classmethod
    def _kind_of(cls, value: Any) -> type[WireModel]:
        return cls

    def _refuse_what_was_dropped(self, given: JsonObject) -> None:
        for name, field in type(self).model_fields.items():
            value = given.get(name, given.get(field.alias or name))
            kept = self.__dict__[name]
            fewer = isinstance(value, list | tuple) and isinstance(kept, tuple) and len(kept) < len(value)
            if fewer or (value and not kept):
                raise ValueError(f"{name} does not fit its type")

    def to_wire(self) -> JsonObject:
        """Give the object as it stands on the wire, in a dict that is the caller's own."""
        match self._source:
            case None:
                return {name: _plain(value) for name, value in self._given()}
            case dict() as parsed:
                return deepcopy(parsed)
            case text:
                return _parsed(text)

    def to_wire_json(self) -> str:
        """Give the object as JSON text: the text it was read from, when it was read from text.

        Raises:
            ValueError: a number is not finite.
        """
        match self._source:
            case bytes() as text:
                return text.decode()
            case str() as text:
                return text
            case dict() as parsed:
                return write_parsed(parsed)
        return write_json(self.to_wire())

    def _given(self) -> Iterator[tuple[str, Any]]:
        for name, field in type(self).model_fields.items():
            constant = isinstance(field.default, str) and field.default
            if constant or name in self.model_fields_set:
                yield field.alias or name, self.__dict__[name]
        yield from (self.__pydantic_extra__ or {}).items()

    @model_serializer(mode="plain")
    def _serialize(self) -> JsonObject:
        return self.to_wire()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the model; `update` replaces wire fields and is read as the server's own.

        Raises:
            WireInvalid: the updated object cannot be read.
        """
        if update is None:
            return super().model_copy(deep=deep)
        return self.from_wire(self.to_wire() | {name: _plain(value) for name, value in update.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WireModel):
            return NotImplemented
        return type(self) is type(other) and self.to_wire() == other.to_wire()

    def __hash__(self) -> int:
        return hash((type(self), self.__dict__.get("id")))

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        # The other fields can hold what users wrote, which must not reach a log.
        return [(name, value) for name, value in self.__dict__.items() if name in self._shown]


def _parsed(text: bytes | str) -> JsonObject:
    try:
        parsed: JsonObject = from_json(text)
    except ValueError:
        parsed = read_any_json(text)
    return parsed


def _plain(value: Any) -> Any:
    match value:
        case WireModel():
            return value.to_wire()
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
