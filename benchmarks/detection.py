"""How late a contender saw what had happened, by the run server's own clock.

The server knows when a run came to require action or ended; its effect log knows when a read first showed that. Both
are the server's times, so nothing that a contender does or says can bend them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from threadrun.status import RunStatus
from threadrun.testing import Effect

Transitions = Sequence[tuple[float, str]]
"""Every status of a run and when it came, in unix seconds."""


def detection_delays(transitions: Mapping[str, Transitions], effects: Iterable[Effect]) -> list[float]:
    """Give the seconds from each change that calls for something to the first read that showed it.

    Args:
        transitions: Of each run, by its id.
        effects: What the server's requests did, oldest first.

    Raises:
        LookupError: A change was never read; a contender that carried its runs to their ends has read all.
    """
    reads: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for effect in effects:
        if effect.effect == "run.read" and effect.run_id and effect.run_status:
            reads[effect.run_id].append((effect.time, effect.run_status))
    return [
        _delay(run_id, change, reads[run_id])
        for run_id, changes in transitions.items()
        for change in changes
        if calls_for_something(change[1])
    ]


def calls_for_something(status: str) -> bool:
    """Tell whether somebody waits for this status: it requires action, or is an end."""
    known = RunStatus(status)
    return known.terminal or known is RunStatus.REQUIRES_ACTION


def _delay(run_id: str, change: tuple[float, str], reads: Sequence[tuple[float, str]]) -> float:
    at, status = change
    for read_at, shown in reads[bisect_left(reads, (at, "")) :]:
        if shown == status:
            return read_at - at
    raise LookupError(f"no read of {run_id} shows that it became {status}")
