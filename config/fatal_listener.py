"""Supervisord's event listener: when a worker cannot be started any more, end supervisord, visibly.

Otherwise a container whose worker is broken would look healthy for ever, for supervisord itself lives on. Flower
does not count: runs are carried without it. Supervisord starts it as `python -m config.fatal_listener`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

import structlog

from config.log_pipeline import configure_logging
from config.sections import LogSettings

WORKERS = frozenset({"runs", "tools"})
"""The programs that supervisord must not outlive."""

FATAL = "PROCESS_STATE_FATAL"
"""The event that is subscribed to; published in Supervisor's documentation of events."""

log = structlog.get_logger("threadrun.supervisor")


def listen(events: TextIO, answers: TextIO, end: Callable[[], None]) -> None:
    """Answer supervisord's events until there are no more."""
    while True:
        _say(answers, "READY\n")
        head = _pairs(events.readline())
        if not head:
            return
        body = _pairs(events.read(int(head["len"])))
        if head["eventname"] == FATAL and body["groupname"] in WORKERS:
            log.critical("supervisor.gave_up", program=body["processname"])
            end()
        _say(answers, "RESULT 2\nOK")


def end_supervisord() -> None:
    """Have supervisord stop the other programs and end; it is this process's parent."""
    os.kill(os.getppid(), signal.SIGTERM)


def _say(answers: TextIO, text: str) -> None:
    answers.write(text)
    answers.flush()


def _pairs(line: str) -> dict[str, str]:
    return dict(word.partition(":")[::2] for word in line.split())


def main() -> None:
    """Serve supervisord; anybody else's parent is left alone."""
    if "SUPERVISOR_ENABLED" not in os.environ:
        sys.exit("config.fatal_listener is started by supervisord; see config/supervisord.conf")
    configure_logging(LogSettings())
    listen(sys.stdin, sys.stdout, end_supervisord)


if __name__ == "__main__":
    main()
