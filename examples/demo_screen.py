"""Show the runs while they are carried, and what was recorded in the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from threadrun import RunRecord

COLUMNS = ("run", "outcome", "status", "seconds", "polls", "tokens", "tool calls", "text")
_RIGHT = frozenset({"seconds", "polls", "tokens"})
_TEXT_WIDTH = 44


class Show(Protocol):
    """Show the runs as they are now."""

    def __call__(self, records: Mapping[str, RunRecord]) -> None:
        """Show them."""


@contextmanager
def screen() -> Iterator[Show]:
    """Give what shows the runs: a table that moves on a terminal, else a line for each that ends."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table
    except ImportError:
        yield _Lines()
        return
    console = Console()
    if not console.is_terminal:
        yield _Lines()
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(records: Mapping[str, RunRecord]) -> None:
            table = Table("run", "stage", "status", "outcome", "events", "calls", box=None)
            for record in records.values():
                ended = record.outcome or ""
                calls = " ".join(f"{call.tool}:{call.kind or call.state}" for call in record.tool_calls)
                style = "dim" if record.final else ""
                row = (
                    record.key,
                    record.stage,
                    record.status or "",
                    ended,
                    str(len(record.transitions)),
                    calls,
                )
                table.add_row(*row, style=style)
            live.update(table, refresh=True)

        yield show


class _Lines:
    """Write one line for each run that has ended since the last look."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, records: Mapping[str, RunRecord]) -> None:
        for record in records.values():
            if record.final and record.key not in self._told:
                self._told.add(record.key)
                print(f"  {seconds_of(record):5.2f} s  {record.key}: {record.outcome}", flush=True)


def print_records(records: Sequence[RunRecord]) -> None:
    """Print one line for each record."""
    print_table(COLUMNS, [row_of(record) for record in records])


def row_of(record: RunRecord) -> tuple[str, ...]:
    """Give the columns of a record."""
    calls = ", ".join(
        call.kind + f" at try {call.attempts}" * (call.attempts > 1) for call in record.tool_calls
    )
    tokens = str(record.usage.total_tokens if record.usage else "")
    text = record.output_text.replace("\n", " ")
    text = text if len(text) <= _TEXT_WIDTH else f"{text[: _TEXT_WIDTH - 1]}…"
    status, outcome = record.status or "-", record.outcome or "-"
    return (record.key, outcome, status, f"{seconds_of(record):.2f}", str(record.polls), tokens, calls, text)


def seconds_of(record: RunRecord) -> float:
    """Tell how long a run took, from its enqueue to its final record."""
    return (record.finished_at - record.created_at).total_seconds() if record.finished_at else 0.0


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print an aligned table."""
    widths = [max(len(line[at]) for line in (columns, *rows)) for at in range(len(columns))]
    for line in (columns, *rows):
        cells = [
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
