"""The experiments, one a file; a file's name, with dashes, is its row's."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.chaos.figures import Figures, Size

Row = Callable[[Size, int, Path], Figures]
"""Runs an experiment of this size and seed, keeping its evidence in the folder."""


def names() -> list[str]:
    """Name all rows."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__))


def load(name: str) -> Row:
    """Give the function of a row."""
    row: Row = import_module(f"{__name__}.{name.replace('-', '_')}").run
    return row
