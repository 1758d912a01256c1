"""One rule of a fault plan: which requests meet which fault."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from threadrun.testing.fault_kinds import (
    BEFORE_ONLY,
    EITHER_SIDE,
    ONLY_ON,
    OPERATION_NAMES,
    Fault,
    Moment,
    RetryAfter,
)

DEFAULT_SIZES = {Fault.GZIP_BOMB: 64 * 1024**2, Fault.ENDLESS_BODY: 1024**3, Fault.BIG_HEADERS: 64 * 1024}
"""Bytes where a rule says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Say which requests meet a fault.

    Requests that match `operation` and `run_key` are counted; of these, `nth`, `every`, `probability` and
    `times` choose. A rule without any of the four hits every request that matches.

        FaultRule(fault=Fault.CONNECTION_CLOSED, operation="submit", nth=1, per_run=True)
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    fault: Fault
    """What goes wrong."""
    operation: str | None = None
    """create_thread, create_run, get_run, list_runs, submit, cancel, steps, messages, create_thread_and_run or
    create_message; none: all that can have this fault."""
    run_key: str | None = None
    """Only requests for this run key, told by the metadata of the run, its creation or its thread."""
    nth: int | None = None
    """Only the nth request that matches, from 1."""
    every: int | None = None
    """Only every nth request that matches."""
    probability: float | None = None
    """Only with this probability, 0 to 1, drawn under the plan's seed."""
    times: int | None = None
    """At most so often."""
    per_run: bool = False
    """Count for each run key alone; else over all."""
    when: Moment | None = None
    """Before or after the effect; none: after, unless the fault can only come before."""
    status: int | None = None
    """The HTTP status of `server_error` (503) and `html` (200)."""
    retry_after: RetryAfter = RetryAfter.SECONDS
    """The form of the hint of `rate_limited`."""
    seconds: float = 2.0
    """The hint's value, how old a stale read is, or how long a cancelled run stays so before it regresses."""
    size_bytes: int | None = None
    """How large a bomb, an endless body or a header is; none: the fault's own default."""
    bytes_per_second: float = 20.0
    """How fast a body drips."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(problem)

    @property
    def comes_before(self) -> bool:
        """Tell whether the fault prevents the effect."""
        return self.fault in BEFORE_ONLY or self.when is Moment.BEFORE

    @property
    def size(self) -> int:
        """The size in bytes."""
        return DEFAULT_SIZES.get(self.fault, 0) if self.size_bytes is None else self.size_bytes

    def matches(self, operation: str, run_key: str | None) -> bool:
        """Tell whether a request is one that the rule counts."""
        if self.operation is not None:
            return self.operation == operation and self.run_key in (None, run_key)
        return operation in ONLY_ON.get(self.fault, OPERATION_NAMES) and self.run_key in (None, run_key)

    def chooses(self, number: int) -> bool:
        """Tell whether the `number`th request that matches is chosen by its number."""
        return self.nth in (None, number) and (self.every is None or number % self.every == 0)

    def _problem(self) -> str | None:
        possible = ONLY_ON.get(self.fault, OPERATION_NAMES)
        if self.operation is not None and self.operation not in possible:
            return f"{self.fault} cannot come on {self.operation!r}; choose one of {sorted(possible)}"
        if self.when is Moment.BEFORE and self.fault not in EITHER_SIDE | BEFORE_ONLY:
            return f"{self.fault} cannot come before the effect: it spoils an answer; say after, or nothing"
        if self.when is Moment.AFTER and self.fault in BEFORE_ONLY:
            return f"{self.fault} cannot come after the effect; say before, or nothing"
        if any(number is not None and number < 1 for number in (self.nth, self.every, self.times)):
            return "nth, every and times are 1 or more"
        if not 0 <= (0 if self.probability is None else self.probability) <= 1:
            return "probability is 0 to 1"
        if not (0 <= self.seconds < float("inf") and self.bytes_per_second > 0 and self.size >= 0):
            return "seconds and size_bytes are 0 or more, bytes_per_second more than 0"
        return self._status_problem()

    def _status_problem(self) -> str | None:
        if self.status is None:
            return None
        if self.fault is Fault.SERVER_ERROR and not 500 <= self.status <= 599:
            return "the status of server_error is 500 to 599"
        if self.fault is Fault.HTML and not 200 <= self.status <= 599:
            return "the status of html is 200 to 599"
        return None
