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

MAX_LABEL, MAX_BAR, MIN_BAR, MAX_REMARK = 28, 64, 12, 40

NARROW = 56
"""Below so many columns there is no room for remarks."""

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
    labels = [_cut(f"{'  ' * row.is_call}{row.label}", min(MAX_LABEL, width // 4), marks) for row in rows]
    starts = [f"+{seconds(row.start - enqueued_at)}" for row in rows]
    lengths = [seconds(row.took) for row in rows]
    remarks = [", ".join(row.remarks) if width >= NARROW else "" for row in rows]
    taken = sum(
        2 + _widest(column) for column in (["WHAT", *labels], ["AT s", *starts], ["TOOK s", *lengths])
    )
    remark_width = min(MAX_REMARK, _widest(remarks))
    bar_width = max(MIN_BAR, min(MAX_BAR, width - taken - (2 + remark_width if remark_width else 0)))
    end = max((row.spans[-1].end for row in rows), default=enqueued_at)
    scale = _Scale(enqueued_at, max((end - enqueued_at).total_seconds(), 1e-3), bar_width)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("WHAT", no_wrap=True)
    table.add_column("AT s", justify="right", no_wrap=True)
    table.add_column("TOOK s", justify="right", no_wrap=True)
    table.add_column(
        Text(f"0{seconds(scale.seconds):>{bar_width - 1}}", "dim"), no_wrap=True, width=bar_width
    )
    if remark_width:
        table.add_column("")
    for row, *texts, remark in zip(rows, labels, starts, lengths, remarks, strict=True):
        cells = [*map(Text, texts), _bar(row, scale, marks), Text(remark, "dim")]
        table.add_row(*cells[: len(table.columns)])
    return table


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    seconds: float
    width: int

    def cell(self, at: datetime) -> float:
        return (at - self.start).total_seconds() / self.seconds * self.width


def _widest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _bar(row: Row, scale: _Scale, marks: Marks) -> Text:
    cells = [" "] * scale.width
    # Handlers over waits: a short handler must not vanish beneath the wait beside it.
    for span in sorted(row.spans, key=lambda span: span.working):
        first = max(0, min(scale.width - 1, math.floor(scale.cell(span.start))))
        last = max(first + 1, min(scale.width, math.ceil(scale.cell(span.end))))
        for at in range(first, last):
            cells[at] = marks.working if span.working else marks.waiting
    if row.open:
        cells[max(at for at in range(scale.width) if cells[at] != " ")] = marks.goes_on
    return Text("".join(cells), _STYLES[row.stage])


def _cut(label: str, width: int, marks: Marks) -> str:
    return label if cell_len(label) <= width else label[: width - 1] + marks.cut
