"""`threadrun health`: is a worker of this machine alive, or ready; for the probes of containers and supervisors."""

from __future__ import annotations

import os
import socket
from enum import StrEnum
from typing import Annotated

import typer

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import finite
from threadrun.cli.screen import ago
from threadrun.client.reading import misasked
from threadrun.client.stats import ALIVE_SECONDS
from threadrun.errors import Problem, StoreUnavailable
from threadrun.health.liveness import MAX_AGE_SECONDS, VARIABLE, check_liveness


class Kind(StrEnum):
    """Name the kinds of workers."""

    RUNS = "runs"
    """Those that carry runs."""
    TOOLS = "tools"
    """Those that run handlers."""


_Kind = Annotated[Kind, typer.Option("--kind", show_default=False, help="Which worker.")]
_File = Annotated[
    str | None,
    typer.Option(
        "--file",
        metavar="PATH",
        show_default=False,
        help=f"The liveness file, with {{kind}} and {{pid}} if need be; by default what {VARIABLE} says.",
    ),
]
_MaxAge = Annotated[
    float,
    typer.Option("--max-age", metavar="SECONDS", callback=finite, help="How old its last touch may be."),
]
_Ready = Annotated[
    bool,
    typer.Option("--ready", help="Ask Redis for the heartbeat of this host's worker, instead of the file."),
]


def health(
    at: Invocation,
    kind: _Kind,
    file: _File = None,
    max_age: _MaxAge = MAX_AGE_SECONDS,
    ready: _Ready = False,
) -> ExitCode:
    """Exit with 0 if this machine's worker is well, with 1 if not.

    Alone: is it alive? It has touched its liveness file of late; Redis is not asked.

    With --ready: can it work now? Redis has its heartbeat of the last 15 s.
    """
    told = _not_ready(at, kind) if ready else _not_alive(kind, file, max_age)
    if at.json:
        at.screen.document({"ok": told is None, "kind": kind.value, "message": told})
    elif told is None:
        at.screen.text(f"{kind} worker is {'ready' if ready else 'alive'}")
    else:
        return at.complain(ExitCode.BAD, told)
    return ExitCode.OK if told is None else ExitCode.BAD


def _not_alive(kind: Kind, file: str | None, max_age: float) -> str | None:
    template = file or os.environ.get(VARIABLE)
    if not template:
        raise misasked(Problem("--file", f"give the liveness file, or set {VARIABLE}"))
    findings = check_liveness(template, kind, max_age)
    return " ".join(finding.message for finding in findings) or None


def _not_ready(at: Invocation, kind: Kind) -> str | None:
    host = socket.gethostname()
    try:
        seen = at.client.stats()
    except StoreUnavailable as error:
        return f"Redis at {at.where} cannot be used: {error.reason}"
    mine = [worker for worker in seen.workers if worker.kind == kind and worker.host == host]
    if any(worker.alive for worker in mine):
        return None
    if not mine:
        return f"no {kind} worker of this host ({host}) is in Redis: it has not started, or has ended."
    last = ago(seen.at - max(worker.seen_at for worker in mine))
    return f"the {kind} worker of this host ({host}) gave no sign for {last}, over {ALIVE_SECONDS:g} s."
