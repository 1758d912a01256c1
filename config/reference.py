"""Every setting as a row: variable, default, meaning. `python -m config.reference` prints the README's table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.settings import Settings
from config.variables import variable_name

PROFILE_PLACEHOLDER = "<NAME>"
"""Stands for a profile's name, in upper case, in the variables of a profile."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """Describe one variable."""

    variable: str
    default: str
    meaning: str

    def __str__(self) -> str:
        return f"| `{self.variable}` | {self.default} | {self.meaning} |"


def setting_rows(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[SettingRow]:
    """Give every variable in the order of the settings; a section's follow it."""
    for name, field in model.model_fields.items():
        section, inner = _section(field)
        if section is not None:
            yield from setting_rows(section, (*path, name, *inner))
        else:
            yield SettingRow(_variable((*path, name)), _default(field), _one_line(field.description or ""))


def _section(field: FieldInfo) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    annotation: Any = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ()
    if get_origin(annotation) is dict and isinstance(get_args(annotation)[1], type):
        value = get_args(annotation)[1]
        if issubclass(value, BaseModel):
            return value, (PROFILE_PLACEHOLDER,)
    return None, ()


def _variable(path: tuple[str, ...]) -> str:
    return variable_name(list(path)).replace(PROFILE_PLACEHOLDER.upper(), PROFILE_PLACEHOLDER)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, dict):
        return f"`{json.dumps(value)}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Print the table."""
    rows = "\n".join(str(row) for row in setting_rows())
    sys.stdout.write(f"| variable | default | meaning |\n|---|---|---|\n{rows}\n")


if __name__ == "__main__":
    main()
