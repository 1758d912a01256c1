"""The arguments and options that several commands share."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def finite(value: float | None) -> float | None:
    """Refuse a number of seconds that is not one."""
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter("give seconds, 0 or more")
    return value


Key = Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The run key.")]
Keys = Annotated[list[str], typer.Argument(metavar="KEY...", show_default=False, help="Run keys.")]
Content = Annotated[
    bool,
    typer.Option(
        "--content", help="Also show what users and models wrote: messages, arguments, outputs, output text."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        show_default=False,
        callback=finite,
        help="Wait no longer; by default until the run is final: soon after its deadline, if any worker lives.",
    ),
]
Every = Annotated[
    float,
    typer.Option("--every", metavar="SECONDS", callback=finite, help="How often to look."),
]
