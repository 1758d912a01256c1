"""What a handler may know of the call it serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from structlog.typing import FilteringBoundLogger

from threadrun.errors import StoreUnavailable

CANCEL_CHECK_INTERVAL_SECONDS = 1.0
"""How long an answer about the run's cancellation is believed."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _never_cancelled() -> bool:
    return False


class CancelWatch:
    """Ask whether the run is to be cancelled, at most once a second.

    A handler may so ask in its innermost loop. A yes is final and never asked for again. When the store does
    not answer, the last answer stands: a handler must not fail because it asked.
    """

    def __init__(self, ask: Callable[[], bool], clock_seconds: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock_seconds = clock_seconds
        self._lock = threading.Lock()
        self._ask_again_at: float | None = None
        self._cancelled = False

    def __call__(self) -> bool:
        """Tell the last answer, after asking again if it is more than a second old."""
        with self._lock:
            now = self._clock_seconds()
            if not self._cancelled and (self._ask_again_at is None or now >= self._ask_again_at):
                self._ask_again_at = now + CANCEL_CHECK_INTERVAL_SECONDS
                self._cancelled = self._answer()
            return self._cancelled

    def _answer(self) -> bool:
        try:
            return self._ask()
        except StoreUnavailable:
            return False


@dataclass(frozen=True, eq=False, kw_only=True)
class ToolContext:
    """Tell a handler which call it serves; annotate its first parameter so, and the model never sees it.

    If the worker dies in the middle of the call, an idempotent tool is called again, with a context in which
    only `attempt` and `deadline` differ.
    """

    run_key: str
    """Our id of the run, chosen when it was enqueued."""
    run_id: str
    """The provider's id of the run."""
    thread_id: str
    """The provider's id of the thread."""
    tool_call_id: str
    """The provider's id of this call; some servers repeat it or leave it empty, so never use it as a key."""
    attempt: int = 1
    """Which attempt of this call this is, from 1."""
    deadline: datetime
    """When the call is interrupted; UTC."""
    idempotency_key: str
    """The same for every attempt of this call, and for no other call: pass it on to what must happen once."""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The metadata that the run was enqueued with; read-only."""
    log: FilteringBoundLogger = field(repr=False)
    """A structlog logger bound to run key, run id, thread id and tool."""
    ask_cancelled: Callable[[], bool] = field(default=_never_cancelled, repr=False)
    """For the worker: asks the store whether the run is to be cancelled. Handlers call `cancelled()`."""
    clock: Callable[[], datetime] = field(default=_utc_now, repr=False)
    """For the worker: the clock that `deadline` was read from. Handlers call `remaining_seconds()`."""
    _cancel_watch: CancelWatch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.deadline.utcoffset() is None:
            raise ValueError("deadline has no time zone; give it in UTC, as datetime.now(UTC) does")
        if self.attempt < 1:
            raise ValueError(f"attempt is {self.attempt}; attempts are counted from 1")
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        object.__setattr__(self, "_cancel_watch", CancelWatch(self.ask_cancelled))

    def cancelled(self) -> bool:
        """Tell whether somebody wants the run cancelled, so that a long handler can stop early.

        A handler is told, never killed; what it returns after a cancel is recorded. Ask as often as you like:
        the store is asked at most once a second, and when it does not answer, the last answer stands.
        """
        return self._cancel_watch()

    def remaining_seconds(self) -> float:
        """Tell how many seconds are left before the call is interrupted; 0 when none are."""
        return max(0.0, (self.deadline - self.clock()).total_seconds())
