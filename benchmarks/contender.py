"""A contender: one way of carrying runs, of which there may be many."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from benchmarks.driver import Driver
from threadrun.testing import LocalStack


@dataclass(frozen=True, slots=True)
class Started:
    """Hold a contender that is ready to carry."""

    stack: LocalStack
    """The run server, and with it whatever else of threadrun the contender needs."""
    driver: Driver
    """The process that begins the runs."""
    pids: Mapping[str, int]
    """What counts as its CPU: the roots of its process trees, by name."""


class Contender(Protocol):
    """Carry runs in one way."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def start(self) -> AbstractContextManager[Started]:
        """Start a run server and all of its own processes, and end them."""
