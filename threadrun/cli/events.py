"""`threadrun events`: a run's events, one a line."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from threadrun.cli.documents import event_document
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Key
from threadrun.cli.screen import Screen, plain
from threadrun.records import Transition

_After = Annotated[
    int, typer.Option("--after", metavar="N", min=0, help="Only events with a higher number, to go on from.")
]
_Follow = Annotated[
    bool,
    typer.Option("--follow", "-f", help="Go on until the run is final; as JSON, one document a line."),
]

HEAD_WIDTH = 42
"""In which column an event's data begin."""


def events(at: Invocation, key: Key, after: _After = 0, follow: _Follow = False) -> ExitCode:
    """Show a run's events in order."""
    found = at.client.events(key, after, follow=follow)
    if at.json and not follow:
        at.screen.document({"key": key, "events": [event_document(event) for event in found]})
        return ExitCode.OK
    for event in found:
        if at.json:
            at.screen.line(event_document(event))
        else:
            _write(at.screen, event)
            at.screen.out.file.flush()
    return ExitCode.OK


def _write(screen: Screen, event: Transition) -> None:
    values = dict(event.data)
    moved = f"{values.pop('from') or 'none'} → {values.pop('to')}" if {"from", "to"} <= values.keys() else ""
    told = [plain(moved), *(f"{plain(name)}={_value(value)}" for name, value in values.items())]
    head = Text.assemble(
        (f"{event.seq:>3}  ", "dim"),
        f"{event.at:%H:%M:%S}.{event.at.microsecond // 1000:03d}  ",
        (plain(event.type), "cyan"),
    )
    screen.block(head, max(HEAD_WIDTH, head.cell_len + 2), " ".join(part for part in told if part))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return plain(",".join(map(str, value))) or "-"
    return "-" if value is None else plain(value)
