"""Write the lines of our own loggers: rendered in one go, and written to the stream that all others go to.

The way of the standard library's lines (record, formatter, handler) costs about 60 µs; a run has a dozen lines.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from config.redaction import Redactor
from threadrun.compact_json import compact_json

if TYPE_CHECKING:
    from structlog.typing import Processor

_PLAIN = frozenset({str, int, float, bool, type(None)})


class _Output:
    """Where lines go; loggers that are in use already see it change."""

    handler: logging.StreamHandler[TextIO] | None = None
    """Its lock keeps lines whole beside those of the standard library, and is made anew in a child."""
    level = logging.NOTSET


class OwnLogger:
    """Write rendered lines; what structlog's own loggers end in."""

    def __init__(self, name: str) -> None:
        self.name = name

    def debug(self, line: str) -> None:
        """Write a line of level DEBUG."""
        _write(logging.DEBUG, line)

    def info(self, line: str) -> None:
        """Write a line of level INFO."""
        _write(logging.INFO, line)

    def warning(self, line: str) -> None:
        """Write a line of level WARNING."""
        _write(logging.WARNING, line)

    def error(self, line: str) -> None:
        """Write a line of level ERROR."""
        _write(logging.ERROR, line)

    def critical(self, line: str) -> None:
        """Write a line of level CRITICAL."""
        _write(logging.CRITICAL, line)


def send_to(handler: logging.StreamHandler[TextIO], level: str) -> None:
    """Have lines of this level and above written where a handler writes."""
    _Output.handler, _Output.level = handler, logging.getLevelNamesMapping()[level]


def own_logger(*names: str) -> OwnLogger:
    """Make a logger; one without a name has that of the module that asks."""
    return OwnLogger(names[0] if names else structlog.stdlib.LoggerFactory()().name)


def last_step(redactor: Redactor, renderer: Processor, *, as_json: bool) -> Processor:
    """Take secrets out and render; a line of plain values in which no secret can be is rendered only."""

    def render(logger: Any, method: str, event: Any) -> Any:
        line = _plain_line(event) if as_json else None
        if line is not None and redactor.clears(line):
            return line
        clean: Mapping[str, Any] = redactor(logger, method, event)
        return renderer(logger, method, dict(clean))

    return render


def _plain_line(event: Mapping[str, Any]) -> str | None:
    if not _PLAIN.issuperset(map(type, event.values())):
        return None
    try:
        return compact_json(event)
    except ValueError:  # half of a surrogate pair
        return None


def _write(level: int, line: str) -> None:
    handler = _Output.handler
    if handler is None or level < _Output.level:
        return
    handler.acquire()
    try:
        handler.stream.write(line + "\n")
        handler.stream.flush()
    except (OSError, ValueError):
        pass  # what a line tells of must not be broken off because it cannot be written
    finally:
        handler.release()
