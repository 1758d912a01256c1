"""`threadrun quarantine`: what waits for a person, and what the person decides about it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.screen import ago, brief, iso, plain, table
from threadrun.client import Quarantined
from threadrun.errors import InvalidRequest, Problem

_Place = Annotated[
    str,
    typer.Argument(
        metavar="PLACE",
        show_default=False,
        help="As `quarantine list` shows it: a run's KEY, or KEY/ROUND/INDEX for a call.",
    ),
]
_Call = Annotated[
    str, typer.Argument(metavar="KEY/ROUND/INDEX", show_default=False, help="As `quarantine list` shows it.")
]
_Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="At most so many, 1 to 1000.")]
_Text = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", show_default=False, help="The output that the model gets."),
]
_File = Annotated[
    str | None,
    typer.Option(
        "--file",
        metavar="PATH",
        show_default=False,
        help="A file that holds the output; - is standard input.",
    ),
]


def list_quarantined(at: Invocation, limit: _Limit = 100) -> ExitCode:
    """List runs that their workers died with, and calls whose outcome nobody knows; the longest waiting first."""
    found = at.client.quarantined(limit)
    if at.json:
        at.screen.document({"quarantined": [_document(one) for one in found]})
        return ExitCode.OK
    if not found:
        at.screen.note("Nothing waits for a person.")
        return ExitCode.OK
    now = at.client.stats().at
    shown = table("PLACE", "STATE", "TOOL", "DEATHS", "SINCE", "LEFT s", right=("DEATHS", "SINCE", "LEFT s"))
    for one in found:
        left = brief(one.until - now) if one.until else "-"
        since, tool = ago(now - one.since), plain(one.tool or "-")
        shown.add_row(Text(plain(one.place)), one.state, Text(tool), str(one.deaths), since, left)
    at.screen.out.print(shown)
    return ExitCode.OK


def resolve(at: Invocation, place: _Call, text: _Text = None, file: _File = None) -> ExitCode:
    """Give the output of a call whose outcome is unknown; its run goes on with it."""
    at.client.resolve(place, _output(text, file))
    return _done(at, place, "resolved")


def release(at: Invocation, place: _Place) -> ExitCode:
    """Have a call run again, or a quarantined run carried on; to end a run instead, cancel it.

    A released call enters its handler again, even if the tool is not idempotent.
    """
    at.client.release(place)
    return _done(at, place, "released")


def _output(text: str | None, file: str | None) -> str:
    if (text is None) == (file is None):
        raise InvalidRequest([Problem("output", "give one of them")])
    if text is not None:
        return text
    try:
        return sys.stdin.read() if file == "-" else Path(file or "").read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidRequest([Problem("output", f"cannot be read: {type(error).__name__}")]) from error


def _done(at: Invocation, place: str, word: str) -> ExitCode:
    if at.json:
        at.screen.document({"place": place, "done": word})
    else:
        at.screen.text(f"{plain(place)}  {word}")
    return ExitCode.OK


def _document(one: Quarantined) -> dict[str, Any]:
    return asdict(one) | {"since": iso(one.since), "until": iso(one.until)}
