"""The cells of the HTTP experiment: each operation, each fault that it can have, each side of the effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadrun.testing.fault_kinds import (
    BEFORE_ONLY,
    EITHER_SIDE,
    ONLY_ON,
    Fault,
    Moment,
    RetryAfter,
)
from threadrun.testing.faults import FaultRule

OPERATIONS = ("create_run", "get_run", "submit", "steps", "messages", "cancel")

BOMB_BYTES = 16 * 1024 * 1024
"""More than a worker takes; the default would only cost the server's time."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Name one way in which one request goes wrong."""

    operation: str
    fault: Fault
    when: Moment | None = None
    retry_after: RetryAfter | None = None

    @property
    def name(self) -> str:
        """Name it within run keys."""
        parts = (self.operation, self.fault, self.when, self.retry_after)
        return "-".join(str(part) for part in parts if part)

    def rule(self, run_key: str) -> FaultRule:
        """Say it of the first such request of one run."""
        return FaultRule(
            fault=self.fault,
            operation=self.operation,
            run_key=run_key,
            nth=1,
            when=self.when,
            retry_after=self.retry_after or RetryAfter.SECONDS,
            seconds=1.0,
            size_bytes=BOMB_BYTES if self.fault is Fault.GZIP_BOMB else None,
        )


def cells() -> Iterator[Cell]:
    """Give every cell."""
    for operation in OPERATIONS:
        for fault in Fault:
            if operation in ONLY_ON.get(fault, OPERATIONS):
                yield from _cells(operation, fault)


def _cells(operation: str, fault: Fault) -> Iterator[Cell]:
    if fault in BEFORE_ONLY:
        yield from (Cell(operation, fault, Moment.BEFORE, form) for form in RetryAfter)
    elif fault in EITHER_SIDE:
        yield from (Cell(operation, fault, moment) for moment in Moment)
    else:
        yield Cell(operation, fault)
