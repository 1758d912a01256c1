"""`threadrun stats`: what is due, since when, and who works."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from threadrun.cli.calls import worker_name
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Every
from threadrun.cli.screen import ago, brief, iso, joined, plain, table
from threadrun.client import Stats
from threadrun.client.patience import Patience
from threadrun.errors import StoreUnavailable

_Watch = Annotated[
    bool,
    typer.Option("--watch", "-w", help="Look again and again until Ctrl-C; as JSON, one document a line."),
]


def stats(at: Invocation, watch: _Watch = False, every: Every = 2.0) -> ExitCode:
    """Show due, oldest and stuck runs by profile and stage, the workers, and the tools they serve.

    A run is stuck when it has been due for more than a minute: no worker looks at it.
    """
    if watch:
        return _watch(at, max(every, 0.1))
    seen = at.client.stats()
    if at.json:
        at.screen.document(stats_document(seen))
    else:
        at.screen.out.print(picture(seen))
    return ExitCode.OK


def _watch(at: Invocation, every_seconds: float) -> ExitCode:
    live = at.screen.out.is_terminal and not at.json
    with Live(console=at.screen.out, auto_refresh=False, screen=live) if live else _Lines(at) as shown:
        patience = Patience()
        while True:
            try:
                seen = at.client.stats()
            except StoreUnavailable as error:
                time.sleep(patience.misses(error))
                continue
            patience.hears()
            shown.update(picture(seen) if not at.json else stats_document(seen), refresh=True)  # type: ignore[arg-type]
            time.sleep(every_seconds)


class _Lines:
    """Write each look beneath the last, where there is no screen to paint over."""

    def __init__(self, at: Invocation) -> None:
        self._at = at

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, value: Any, *, refresh: bool) -> None:
        """Write one look."""
        if self._at.json:
            self._at.screen.line(value)
        else:
            self._at.screen.out.print(value, Text(""))


def stats_document(seen: Stats) -> dict[str, Any]:
    """Spell a look."""
    return {
        "at": iso(seen.at),
        "agendas": [asdict(agenda) for agenda in seen.agendas],
        "pauses": [asdict(pause) for pause in seen.pauses],
        "workers": [asdict(worker) | {"seen_at": iso(worker.seen_at)} for worker in seen.workers],
        "tools": list(seen.tools),
        "quarantined": seen.quarantined,
    }


def picture(seen: Stats) -> RenderableType:
    """Draw a look for people."""
    tools = Text(f"tools: {joined(seen.tools)}")
    parts = [*_agendas(seen), *_pauses(seen), Text(""), *_workers(seen), Text(""), tools]
    if seen.quarantined:
        parts.append(Text(f"in quarantine: {seen.quarantined}; see `threadrun quarantine list`", "yellow"))
    return Group(*parts)


def _agendas(seen: Stats) -> list[RenderableType]:
    if not seen.agendas:
        return [Text("no open runs")]
    columns = ("RUNS", "DUE", "OLDEST DUE s", "STUCK")
    shown = table("PROFILE", "STAGE", *columns, right=columns)
    for agenda in seen.agendas:
        stuck = Text(str(agenda.stuck), "red" if agenda.stuck else "")
        due = brief(agenda.oldest_due_seconds) if agenda.due else "-"
        shown.add_row(
            Text(plain(agenda.profile)), agenda.stage.value, str(agenda.runs), str(agenda.due), due, stuck
        )
    return [shown]


def _pauses(seen: Stats) -> list[Text]:
    return [
        Text(
            f"{plain(pause.profile)}: {pause.kind} paused for {brief(pause.seconds)} s ({pause.reason})",
            "yellow",
        )
        for pause in seen.pauses
    ]


def _workers(seen: Stats) -> list[RenderableType]:
    if not seen.workers:
        return [Text("no workers", "red")]
    shown = table("WORKER", "KIND", "PID", "SEEN", "", right=("PID", "SEEN"))
    for worker in seen.workers:
        sign = Text("alive", "green") if worker.alive else Text("no sign of life", "red")
        seen_ago = f"{ago(seen.at - worker.seen_at)} ago"
        shown.add_row(
            Text(worker_name(worker.worker_id)), Text(plain(worker.kind)), str(worker.pid), seen_ago, sign
        )
    return [shown]
