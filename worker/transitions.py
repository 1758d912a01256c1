"""Log each transition of a run once, after it was written: one dotted event, the same that is stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import structlog

from worker.decide.decision import Event
from worker.view import RunView

log = structlog.get_logger("threadrun.run")


def log_events(
    run: RunView, events: tuple[Event, ...], last_seq: int, now_ms: int, moved: Mapping[str, str]
) -> None:
    """Log events that were just stored; their sequence numbers end at `last_seq`."""
    if not events:
        return
    write, of_run = log.bind().log, _line(run, now_ms)
    for seq, event in enumerate(events, last_seq - len(events) + 1):
        line = {**of_run, "seq": seq, **moved, **event.data}
        write(level_of(event.type, event.data), event.type, **line)


def log_finished(run: RunView, seq: int, now_ms: int, summary: Mapping[str, Any]) -> None:
    """Log the one canonical line of a run: everything that an operator asks first."""
    line = {**_line(run, now_ms), "seq": seq, **summary}
    log.log(level_of("run.finished", summary), "run.finished", **line)


def level_of(name: str, data: Mapping[str, Any]) -> int:
    """Give a line's level: a warning is what somebody should look at, though the run goes on or has ended."""
    if name in _ILL_ALWAYS:
        return logging.WARNING
    ill = _ILL.get(name)
    return logging.WARNING if ill and not ill.isdisjoint(map(str, data.values())) else logging.INFO


_ILL_ALWAYS = frozenset({"run.quarantined", "tool.quarantined", "tool.parked", "tool.outcome_unknown"})

_ILL = {
    "run.held": frozenset({"unauthorized"}),
    "tool.settled": frozenset({"unknown_outcome"}),
    "tool.reopened": frozenset({"worker_died", "child_killed"}),
    "run.finished": frozenset({"rejected", "lost", "failed", "timed_out"}),
}
"""Which words in an event's data make its line a warning."""


def _line(run: RunView, now_ms: int) -> dict[str, Any]:
    return {
        "run_key": run.key,
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "profile": run.profile,
        "claim": run.claim,
        "elapsed_seconds": round(max(0, now_ms - run.created_ms) / 1000, 3),
    }
