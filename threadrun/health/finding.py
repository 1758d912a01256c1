"""A finding: one thing that a look at the surroundings showed to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Say how bad a finding is."""

    ERROR = "error"
    """Nothing works until it is mended; a worker does not start."""
    WARNING = "warning"
    """It works for now; a worker starts and says this loudly."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one thing that is not as it should be."""

    severity: Severity
    """How bad it is."""
    check: str
    """A dotted name, for logs: `redis.unreachable`, `pool.wrong` …"""
    message: str
    """What is wrong, what it costs, and the remedy last; holds no secret."""

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"


def error(check: str, message: str) -> Finding:
    """Build a finding that stops a worker."""
    return Finding(Severity.ERROR, check, message)


def warning(check: str, message: str) -> Finding:
    """Build a finding that is only said."""
    return Finding(Severity.WARNING, check, message)
