"""What a tool author may set beside the function."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from threadrun.status import OnUnknown
from threadrun.tools.output import DEFAULT_MAX_OUTPUT_BYTES, MIN_MAX_OUTPUT_BYTES

RUNS_QUEUE = "runs"
"""The queue of the engine's wake-ups, where no handler can run."""

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Which names the wire accepts (OpenAI's published FunctionObject schema)."""

QUEUE_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Which queue names are accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Hold how a tool's calls are run."""

    timeout_seconds: float = 60.0
    """After so many seconds a call is interrupted; earlier when the run would expire."""
    idempotent: bool = False
    """Whether a call whose worker died may be run again, with the same idempotency key."""
    on_unknown: OnUnknown | Literal["tell", "fail", "park"] = "tell"
    """What is done when nobody knows how a call ended: its worker died in it, and it is not to be run again."""
    retries: int = 0
    """How many times a call is run again after an exception or a timeout; only of an idempotent tool."""
    queue: str = "tools"
    """The Celery queue whose workers run it."""
    max_output_bytes: int = DEFAULT_MAX_OUTPUT_BYTES
    """Where its output is cut."""

    def problems(self) -> list[str]:
        """List what is wrong with these options, each with what would be right."""
        checks = [
            (
                _is_number(self.timeout_seconds) and self.timeout_seconds > 0,
                f"timeout_seconds={self.timeout_seconds!r}: give a finite number above 0",
            ),
            (isinstance(self.idempotent, bool), f"idempotent={self.idempotent!r}: give True or False"),
            (
                self.on_unknown in list(OnUnknown),
                f'on_unknown={self.on_unknown!r}: give "tell", "fail" or "park"',
            ),
            (_is_count(self.retries, 0), f"retries={self.retries!r}: give a whole number, 0 or more"),
            (
                self.idempotent is not False or not _is_count(self.retries, 1),
                f"retries={self.retries!r}: an attempt that failed may have had its effect; "
                "give idempotent=True too if it may be repeated, or leave retries out",
            ),
            (
                isinstance(self.queue, str) and QUEUE_PATTERN.fullmatch(self.queue) is not None,
                f"queue={self.queue!r}: give 1 to 64 of the characters A-Z a-z 0-9 . _ -",
            ),
            (self.queue != RUNS_QUEUE, f"queue={self.queue!r}: it is the engine's own; give another name"),
            (
                _is_count(self.max_output_bytes, MIN_MAX_OUTPUT_BYTES),
                f"max_output_bytes={self.max_output_bytes!r}: give {MIN_MAX_OUTPUT_BYTES} or more, whole",
            ),
        ]
        return [problem for good, problem in checks if not good]


def name_problems(name: object, description: object) -> list[str]:
    """List what is wrong with a tool's name and description."""
    problems = []
    if not isinstance(name, str) or NAME_PATTERN.fullmatch(name) is None:
        problems.append(f"name {name!r}: give name=… with 1 to 64 of the characters A-Z a-z 0-9 _ -")
    if not isinstance(description, str | None):
        problems.append(f"description of type {type(description).__name__}: give a string")
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
