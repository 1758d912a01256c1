"""Importing the modules that hold handlers."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType

from threadrun.errors import ToolDefinitionError, ToolModuleError
from threadrun.tools.definition import Tool

_SHOWN = 3
"""How many of the first and of the last places of a failed import are told."""

_IMPORTERS = {
    __file__, importlib.__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>",
}  # fmt: skip


def import_tools(name: str, registered: Iterable[Tool]) -> list[Tool]:
    """Import a module and list the tools that it defines or imports.

    Args:
        name: the module's dotted name.
        registered: where decorated functions are collected; read after the import.

    Raises:
        ToolModuleError: the module cannot be imported, or holds no tool.
        ToolDefinitionError: one of its handlers cannot be offered to a model.
    """
    module = _import(name)
    tools = [*_in_namespace(module), *_defined_below(module, registered)]
    if not tools:
        raise ToolModuleError(
            name,
            "it defines and imports none; decorate its functions with @tool, "
            "or take it out of THREADRUN_TOOLS__MODULES",
        )
    return tools


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ToolDefinitionError, ToolModuleError):
        raise
    except (Exception, SystemExit) as error:  # a module's body may raise anything
        raise ToolModuleError(name, _import_problem(name, error)) from error


def _import_problem(name: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
        return (
            f"there is no module {error.name}; correct THREADRUN_TOOLS__MODULES, or put the folder "
            "that holds it on PYTHONPATH"
        )
    if isinstance(error, ImportError):
        return f"its import failed ({error}){_places(error)}; install or correct what it imports"
    # The text of a foreign error may hold a secret; it stands in the traceback, as the cause.
    return f"its import raised {type(error).__name__}{_places(error)}; correct it"


def _places(error: BaseException) -> str:
    """Say where an import failed: the module's own lines first, those that raised last."""
    lines = ((frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__))
    places = [
        f"{code.co_name} ({code.co_filename}:{line})"
        for code, line in lines
        if code.co_filename not in _IMPORTERS
    ]
    if isinstance(error, SyntaxError) and error.filename:
        places.append(f"{error.filename}:{error.lineno}")
    shown = places[:_SHOWN] + places[_SHOWN:][-_SHOWN:]
    return f" in {', '.join(shown)}" if shown else ""


def _in_namespace(module: ModuleType) -> Iterator[Tool]:
    for value in vars(module).values():
        # Exact types alone: lazy proxies, common in web apps, come alive when one looks at their attributes.
        carried = vars(value).get("tool") if type(value) is FunctionType else value
        if type(carried) is Tool:
            yield carried


def _defined_below(module: ModuleType, registered: Iterable[Tool]) -> Iterator[Tool]:
    for tool in registered:
        inside = f"{tool.origin.module}.".startswith(f"{module.__name__}.")
        if inside and tool.origin.is_current():
            yield tool
