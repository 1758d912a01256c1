"""What a docstring says of a tool and of its parameters."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

from docstring_parser import parse


@dataclass(frozen=True, slots=True)
class Description:
    """Hold what the model is told in words."""

    tool: str = ""
    """What the tool does; empty when nothing says it."""
    parameters: dict[str, str] = field(default_factory=dict)
    """What each parameter means, by name, where the docstring says it."""


def read_docstring(docstring: str | None) -> Description:
    """Read a docstring in Google, NumPy or reST style; one in no style is told whole.

    The summary and the paragraphs below it describe the tool; of the sections, only the parameters are told.
    """
    if not docstring:
        return Description()
    try:
        parsed = parse(docstring)
    except Exception:  # the parser raises an IndexError too, at a line of lone colons
        return Description(inspect.cleandoc(docstring))
    parameters = {
        name.strip(): " ".join(parameter.description.split())
        for parameter in parsed.params
        for name in parameter.arg_name.split(",")
        if parameter.description
    }
    return Description((parsed.description or "").strip(), parameters)
