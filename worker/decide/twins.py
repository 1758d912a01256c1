"""Decide about twins: runs at the provider that carry our run key, or came from our create, and are not our run.

A create of unknown outcome may take effect long after it was given up and sent again. So for a minute after each
such create the thread is watched, also when our own run has ended by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from threadrun.models import Run
from threadrun.request import RUN_KEY_METADATA
from worker.decide.rules import Rules

WATCH_MS = 60_000
"""How long the thread is watched after the last create that could have a twin."""

FIRST_LOOK_MS, LONGEST_WAIT_MS = 3_000, 15_000
"""Looks come after 3 s and then ever more rarely, but at least so often."""

CANCEL_LOOK_MS = 3_000
"""How soon to look whether a cancelled twin has ended."""


class TwinState(StrEnum):
    """Name how far we are with a twin."""

    SUSPECTED = "suspected"
    """Its id came from a create whose run has another id."""
    FOUND = "found"
    """It was told to the log; it is to be cancelled."""
    CANCELLED = "cancelled"
    """The provider took the cancel."""
    ENDED = "ended"
    """It shows a terminal status, or is unknown to the provider."""


@dataclass(frozen=True, slots=True)
class TwinWatch:
    """Hold a claimed watch: what is stored of it and of its run."""

    run_key: str
    claim: int
    news: str
    thread_id: str
    run_id: str
    """Our run; empty if it has none."""
    creating: bool
    """The run's own create is not decided yet: nobody can say which of two is the twin."""
    until_ms: int
    twins: Mapping[str, TwinState]

    @property
    def open(self) -> tuple[str, ...]:
        """Name the twins that have not ended."""
        return tuple(run_id for run_id, state in self.twins.items() if state is not TwinState.ENDED)


def newly_found(watch: TwinWatch, listed: Sequence[Run]) -> tuple[str, ...]:
    """Name the twins that nobody was told of yet."""
    known = {run_id for run_id, state in watch.twins.items() if state is not TwinState.SUSPECTED}
    keyed = [one.id for one in listed if (one.metadata or {}).get(RUN_KEY_METADATA) == watch.run_key]
    suspected = [run_id for run_id in watch.twins if run_id not in known]
    return tuple(i for i in dict.fromkeys([*suspected, *keyed]) if i != watch.run_id and i not in known)


def next_look_ms(watch: TwinWatch, now: int, rules: Rules, *, read: bool) -> int | None:
    """Say how soon to look again; none: the watch is over.

    Args:
        watch: As it is after this look.
        now: Redis's clock.
        rules: The numbers to decide by.
        read: The thread's runs could be read.
    """
    left_ms = watch.until_ms - now
    if read and left_ms <= 0 and not watch.open:
        return None
    if left_ms <= -rules.cancel_deadline_ms:
        return None
    if watch.open or left_ms <= 0:
        return CANCEL_LOOK_MS
    age_ms = WATCH_MS - left_ms
    return max(1, min(left_ms, LONGEST_WAIT_MS, max(FIRST_LOOK_MS, age_ms // 2)))
