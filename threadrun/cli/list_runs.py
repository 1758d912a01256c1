"""`threadrun list`: runs, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from threadrun.cli.documents import summary_document
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.screen import ago, plain, seconds, table
from threadrun.cli.since import parse_since
from threadrun.cli.states import styled
from threadrun.records import RunSummary

WIDE = 130
"""From this many columns on, thread and run ids are shown too."""

_Status = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        show_default=False,
        help="Only runs of this status or, once finished, outcome; none: not created yet.",
    ),
]
_Thread = Annotated[
    str | None, typer.Option("--thread", metavar="ID", show_default=False, help="Only runs of this thread.")
]
_Profile = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="The profile that --thread belongs to.")
]
_Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="AGE|TIME",
        show_default=False,
        help="Only runs enqueued since: an age such as 90s, 15m, 2h, 3d, or an ISO time.",
    ),
]
_Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="At most so many, 1 to 1000.")]
_After = Annotated[
    str | None,
    typer.Option(
        "--after", metavar="KEY", show_default=False, help="Go on after this key, the last one shown."
    ),
]


def list_runs(
    at: Invocation,
    status: _Status = None,
    thread: _Thread = None,
    profile: _Profile = "default",
    since: _Since = None,
    limit: _Limit = 20,
    after: _After = None,
) -> ExitCode:
    """List runs, newest first."""
    now = datetime.now(UTC)
    runs = at.client.list(
        status=status,
        thread_id=thread,
        profile=profile,
        since=parse_since(since, now) if since else None,
        limit=limit,
        after=after,
    )
    more = runs[-1].key if len(runs) == limit else None
    if at.json:
        at.screen.document({"runs": [summary_document(run) for run in runs], "after": more})
    else:
        _write(at, runs, now, more)
    return ExitCode.OK


def _write(at: Invocation, runs: list[RunSummary], now: datetime, more: str | None) -> None:
    if not runs:
        at.screen.note("No runs.")
        return
    wide = at.screen.out.width >= WIDE
    columns = ["KEY", "STATE", "STATUS", "AGE", "TOOK s", *(["THREAD", "RUN ID"] if wide else [])]
    shown = table(*columns, right=("AGE", "TOOK s"))
    for run in runs:
        took = seconds(run.finished_at - run.created_at) if run.finished_at else "-"
        ids = [Text(plain(run.thread_id or "-")), Text(plain(run.run_id or "-"))] if wide else []
        state = styled(run.outcome or run.stage)
        shown.add_row(Text(plain(run.key)), state, run.status or "-", ago(now - run.created_at), took, *ids)
    at.screen.out.print(shown)
    if more:
        at.screen.note(f"More may follow: --after {more}", "dim")
