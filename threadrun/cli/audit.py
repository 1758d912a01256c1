"""What `threadrun doctor --audit` adds: the verdict over every run, as checks and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from threadrun.audit import Audit, Breach, Tally
from threadrun.cli.doctor_checks import MAX_NAMED, Check
from threadrun.cli.screen import count, plain
from threadrun.health import Finding, Severity

AuditFlag = Annotated[
    bool,
    typer.Option(
        "--audit", help="Judge every run, not a sample: were all guarantees kept? Reads every record."
    ),
]
ServerLogFile = Annotated[
    Path | None,
    typer.Option(
        "--server-log",
        metavar="FILE",
        show_default=False,
        help="With --audit: the run server's effect log (`python -m threadrun.testing --effect-log FILE`).",
    ),
]
EffectsFile = Annotated[
    Path | None,
    typer.Option(
        "--effects",
        metavar="FILE",
        show_default=False,
        help="With --audit: the handlers' effect log, one JSON object an entry (threadrun.audit.handler_log).",
    ),
]
AcceptedFile = Annotated[
    Path | None,
    typer.Option(
        "--accepted",
        metavar="FILE",
        show_default=False,
        help="With --audit: run keys whose enqueue was accepted, one a line; each must have a record.",
    ),
]


def audit_check(audit: Audit) -> Check:
    """Put the verdict among doctor's checks; at most a few runs are named for each rule."""
    return Check("audit", _summary(audit.tally), tuple(_findings(audit.breaches)))


def audit_document(audit: Audit) -> dict[str, Any]:
    """Spell the whole verdict."""
    return {"ok": audit.ok, "tally": asdict(audit.tally), "breaches": [_spelt(one) for one in audit.breaches]}


def _spelt(breach: Breach) -> dict[str, str]:
    return {"rule": breach.rule.value, "run_key": breach.run_key, "message": breach.message}


def _summary(tally: Tally) -> str:
    told = f"{count(tally.runs, 'run')} judged, {tally.finished} finished, {count(tally.calls, 'call')}, "
    told += f"{tally.unknown_outcomes} of them with unknown outcome"
    return f"{told}; {tally.too_new} of a newer threadrun were not judged" if tally.too_new else told


def _findings(breaches: tuple[Breach, ...]) -> Iterator[Finding]:
    named: Counter[str] = Counter()
    for breach in breaches:
        named[breach.rule] += 1
        if named[breach.rule] <= MAX_NAMED:
            text = (
                f"run {plain(breach.run_key)}: {plain(breach.message)}. See `threadrun show` for its events."
            )
            yield Finding(Severity.ERROR, breach.rule.value, text)
    for rule, number in named.items():
        if number > MAX_NAMED:
            text = f"{number - MAX_NAMED} more breaches of {rule}; -o json names all."
            yield Finding(Severity.ERROR, rule, text)
