"""Draw the rows of a timeline as bars beneath each other, on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from threadrun.cli.screen import seconds
from threadrun.cli.timeline import Row
from threadrun.status import Stage

MAX_LABEL, MAX_BAR, MIN_BAR, MAX_REMARK = 28, 64, 14, 40

_STYLES = {
    Stage.WAITING: "yellow",
    Stage.CREATE: "cyan",
    Stage.POLL: "blue",
    Stage.TOOLS: "magenta",
    Stage.SUBMIT: "cyan",
    Stage.CANCEL: "yellow",
    Stage.FINALIZE: "cyan",
    Stage.DONE: "",
}


@dataclass(frozen=True, slots=True)
class Marks:
    """Name the letters that bars are made of."""

    working: str = "█"
    waiting: str = "░"
    goes_on: str = "▶"
    cut: str = "…"


ASCII = Marks("#", ".", ">", "~")
"""For terminals that cannot show more."""


def draw(rows: Sequence[Row], enqueued_at: datetime, width: int, *, ascii_only: bool = False) -> Table:
    """Draw the rows in at most `width` columns; what does not fit is cut in names and wrapped in remarks."""
    marks = ASCII if ascii_only else Marks()
    end = max((row.spans[-1].end for row in rows), default=enqueued_at)
    total = max((end - enqueued_at).total_seconds(), 1e-3)
    labels = [
        _cut(f"  {row.label}" if row.is_call else row.label, min(MAX_LABEL, width // 4), marks)
        for row in rows
    ]
    remark = min(MAX_REMARK, max((cell_len(", ".join(row.remarks)) for row in rows), default=0))
    bar = max(MIN_BAR, min(MAX_BAR, width - max(map(cell_len, labels), default=0) - 22 - remark))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("WHAT", no_wrap=True)
    table.add_column("AT s", justify="right", no_wrap=True)
    table.add_column("TOOK s", justify="right", no_wrap=True)
    table.add_column(_scale(total, bar), no_wrap=True, width=bar)
    table.add_column("")
    for label, row in zip(labels, rows, strict=True):
        table.add_row(
            Text(label),
            Text(f"+{seconds(row.start - enqueued_at)}"),
            Text(seconds(row.took)),
            _bar(row, enqueued_at, total, bar, marks),
            Text(", ".join(row.remarks), "dim"),
        )
    return table


def _scale(total: float, width: int) -> Text:
    end = seconds(total)
    return Text(f"0{end:>{width - 1}}", "dim")


def _bar(row: Row, enqueued_at: datetime, total: float, width: int, marks: Marks) -> Text:
    cells = [" "] * width
    # Handlers over waits: a short handler must not vanish beneath the wait beside it.
    for span in sorted(row.spans, key=lambda span: span.working):
        first = min(width - 1, math.floor((span.start - enqueued_at).total_seconds() / total * width))
        last = max(first + 1, math.ceil((span.end - enqueued_at).total_seconds() / total * width))
        for at in range(max(first, 0), min(last, width)):
            cells[at] = marks.working if span.working else marks.waiting
    if row.open:
        cells[max(at for at in range(width) if cells[at] != " ")] = marks.goes_on
    return Text("".join(cells), _STYLES[row.stage])


def _cut(label: str, width: int, marks: Marks) -> str:
    return label if cell_len(label) <= width else label[: width - 1] + marks.cut
