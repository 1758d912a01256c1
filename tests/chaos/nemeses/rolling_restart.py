"""Replace all workers, one group after the other, as a rolling deploy does."""

from __future__ import annotations

import time

from tests.chaos.crew import KINDS, Crew
from threadrun.client import RunClient


def roll(crew: Crew, client: RunClient) -> list[tuple[int | None, float]]:
    """Start new workers beside each group, then stop the old ones; gives how each ended and after how many seconds.

    An exit code of none: it is still there.
    """
    ends: list[tuple[int | None, float]] = []
    for group in range(crew.groups):
        old = [crew.workers[kind, group] for kind in KINDS]
        crew.start_group(group)
        crew.wait_until_ready(client)
        for worker in old:
            crew.ask_to_end(worker)
        asked = time.monotonic()
        ends += [(crew.exit_code(worker), time.monotonic() - asked) for worker in old]
    return ends
