"""Runs that an engine looks at again by itself, without giving them back to the agenda and claiming them anew.

A run at work is looked at every second or so, and mostly nothing has changed: to end a claim and to make the next
would cost more than the look. So who looked last looks again. Nobody has to wait for it: the run's entry in the agenda
stands a little after that look, and whoever finds it due there claims it. A look of this kind holds no lease. It only
reads; what it writes is written for the newest claim, or not at all, like everything else.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from threadrun.status import Stage
from worker.redis_clock import RedisClock
from worker.view import RunView

SPARE_MS = 5_000
"""How long after its next look an attended run is due for everybody; several looks may fall into that time."""

MARGIN_MS = 2_000
"""How much of that must be left at the next look; else the entry is put off again before it.

A look that took longer is made under a claim the next time: others would find the run due while it is under way. So is
one that came so late, for want of a slot: another worker may have some.
"""

HANDED_OVER_MS = 10_000
"""A worker that drains hands over what is looked at sooner than this; the rest is found by its entry, SPARE_MS late."""

MOST_ATTENDED = 50_000
"""How many runs a process keeps in mind, with about 1.5 KB each; the others are claimed for each look."""


@dataclass(frozen=True, slots=True)
class Attended:
    """Hold what the next look at a run must know of the last one."""

    run: RunView
    """As last written."""
    clock: RedisClock
    look_ms: int
    """When to look again."""
    until_ms: int
    """When its entry in the agenda is due for everybody."""
    polls: int = 0
    """Looks that are not counted in the record yet."""
    requests: int = 0
    """Requests that are not."""

    @property
    def left_ms(self) -> int:
        """How long it is until the next look; 0: it is due."""
        return max(0, self.look_ms - self.clock.now_ms())


def attendable(run: RunView, stage: Stage, took_ms: int) -> bool:
    """Tell whether a run may be attended from a stage on; one that may have killed its worker never is.

    Args:
        run: As stored.
        stage: Where it goes.
        took_ms: How long the last look took, and how long it waited for a slot.
    """
    return stage is Stage.POLL and took_ms <= MARGIN_MS and not run.suspect


class AttendedRuns:
    """Keep runs until their next look; used on the loop only."""

    def __init__(self) -> None:
        self._of_run: dict[str, Attended] = {}
        self._next: list[tuple[int, int, Attended]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._of_run)

    def keep(self, attended: Attended) -> None:
        """Keep a run, unless it is kept under a newer claim already."""
        key = attended.run.key
        known = self._of_run.get(key)
        if known is None or known.run.claim <= attended.run.claim:
            self._of_run[key] = attended
            heapq.heappush(self._next, (attended.look_ms, next(self._numbers), attended))

    def drop(self, run_key: str) -> Attended | None:
        """Give up a run that is claimed; none: it is not kept."""
        dropped = self._of_run.pop(run_key, None)
        if dropped and len(self._next) > 2 * len(self._of_run):
            self._next = [entry for entry in self._next if self._of_run.get(entry[2].run.key) is entry[2]]
            heapq.heapify(self._next)
        return dropped

    @property
    def is_due(self) -> bool:
        """Tell whether there may be a run to look at; any thread may ask."""
        first = next(iter(self._next), None)
        return first is not None and first[2].clock.now_ms() >= first[0]

    def take_due(self) -> Attended | None:
        """Give up the run whose look is due first; none: nothing is due.

        One that is due for everybody by now is forgotten: after a pause of this process somebody else has it.
        """
        while self.is_due:
            attended = heapq.heappop(self._next)[2]
            if self._of_run.get(attended.run.key) is attended:
                del self._of_run[attended.run.key]
                if attended.clock.now_ms() < attended.until_ms:
                    return attended
        return None

    def take_all(self) -> list[Attended]:
        """Give up all of them."""
        kept = list(self._of_run.values())
        self._of_run.clear()
        self._next.clear()
        return kept
