"""Where a handler was defined, to tell a module that is imported again from a name that is taken."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, cast


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Hold the place of a handler's definition."""

    module: str
    """The module's dotted name."""
    qualname: str
    """The function's name within it."""
    filename: str
    """The source file."""
    line: int
    """The first line of the definition, decorators included."""
    module_spec: object = field(repr=False)
    """The module's import spec at that moment: each import or reload makes a new one."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Origin:
        """Read where a function was written, below the decorators that wrap it."""
        written = written_function(function)
        code = written.__code__
        spec = written.__globals__.get("__spec__")
        return cls(written.__module__, written.__qualname__, code.co_filename, code.co_firstlineno, spec)

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname} ({self.filename}:{self.line})"

    def renews(self, earlier: Origin) -> bool:
        """Tell whether this is the same handler defined again: by a reload, a factory, a notebook cell."""
        if (self.module, self.qualname) != (earlier.module, earlier.qualname):
            return False
        same_import = self.module_spec is earlier.module_spec and self.filename == earlier.filename
        return self.line == earlier.line or not same_import

    def is_current(self) -> bool:
        """Tell whether its module was not imported again since."""
        module = sys.modules.get(self.module)
        return module is not None and getattr(module, "__spec__", None) is self.module_spec


def written_function(function: Callable[..., Any]) -> FunctionType:
    """Find the function that its author wrote, below the decorators that wrap it."""
    unwrapped = inspect.unwrap(function)
    return unwrapped if isinstance(unwrapped, FunctionType) else cast(FunctionType, function)
