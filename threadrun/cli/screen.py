"""Write to the terminal: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160
"""How wide tables may be where nobody's terminal is asked: in a pipe, a file, a log."""

_BLANK = dict.fromkeys(
    [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"
)
# In JSON they can only stand in strings, where they can be escaped; json.dumps does so below 32.
_ESCAPED = {code: f"\\u{code:04x}" for code in _BLANK if code >= 127}
_LINES = {**_BLANK, ord("\n"): "\n", ord("\t"): "    "}


class _Console(Console):
    """Leave the end of a command to the command: rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(stream: TextIO) -> Console:
    """Build a console that takes text as it is; it colours only on a terminal, and never with NO_COLOR."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal that cannot show a letter must not end the command
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return _Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        width=PIPE_WIDTH if piped else None,
    )


def plain(text: object, *, lines: bool = False) -> str:
    """Take out what could steer a terminal; names and texts come from models and servers."""
    return str(text).translate(_LINES if lines else _BLANK)


class Screen:
    """Write what a command found, in the form that was asked for."""

    def __init__(self) -> None:
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)
        # In a pipe each thing said stays on one line, for grep.
        self._wraps = self.out.is_terminal or "COLUMNS" in os.environ

    def document(self, value: Any) -> None:
        """Write one JSON document."""
        self._json(json.dumps(value, indent=2, ensure_ascii=not self._unicode))

    def line(self, value: Any) -> None:
        """Write one JSON document on a line of its own, at once; for those who follow."""
        self._json(json.dumps(value, ensure_ascii=not self._unicode))

    @property
    def _unicode(self) -> bool:
        return self.out.encoding.startswith("utf")

    def _json(self, text: str) -> None:
        self.out.file.write(text.translate(_ESCAPED) + "\n")
        self.out.file.flush()

    def text(self, *parts: str | Text) -> None:
        """Write a line for people; on a terminal, longer ones are wrapped at words."""
        self.out.print(Text.assemble(*parts), soft_wrap=not self._wraps)

    def block(self, head: Text, width: int, text: str) -> None:
        """Write a head of so many columns and a text that is wrapped beneath itself."""
        if not self._wraps:
            self.text(head, " " * max(0, width - head.cell_len), text)
            return
        grid = Table.grid()
        grid.add_column(width=width)
        grid.add_column(overflow="fold")
        grid.add_row(head, Text(text))
        self.out.print(grid)

    def note(self, text: str, style: str = "") -> None:
        """Write a line beside the data."""
        self.err.print(Text(text, style), soft_wrap=not self.err.is_terminal)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Build a table without lines; columns named in `right` hold numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def iso(at: datetime | None) -> str | None:
    """Spell a time for JSON: UTC, with milliseconds and Z."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def seconds(span: timedelta | float) -> str:
    """Spell a duration in seconds, with as many places as mean something."""
    value = span.total_seconds() if isinstance(span, timedelta) else span
    size = abs(value)
    if size < 10:
        return f"{value:.3f}"
    return f"{value:.2f}" if size < 100 else f"{value:.1f}"


def brief(span: timedelta | float) -> str:
    """Spell a duration in seconds for a sentence: 3.2, 60, 0."""
    value = span.total_seconds() if isinstance(span, timedelta) else span
    return f"{max(0.0, value):.1f}".removesuffix(".0")


def ago(span: timedelta | float) -> str:
    """Spell an age for a column: 42s, 12m, 3h, 5d."""
    value = max(0.0, span.total_seconds() if isinstance(span, timedelta) else span)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if value >= 2 * size or (unit == "d" and value >= size):
            return f"{value / size:.0f}{unit}"
    return f"{value:.0f}s"


def joined(words: Iterable[object], none: str = "none") -> str:
    """Join words for people."""
    return ", ".join(plain(word) for word in words) or none


def count(number: int, noun: str) -> str:
    """Count things in words: 1 poll, 2 polls."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
