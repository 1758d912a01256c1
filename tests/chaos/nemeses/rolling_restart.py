"""Replace all workers, one group after the other, as a rolling deploy does."""

from __future__ import annotations

from tests.chaos.crew import KINDS, Crew
from threadrun.client import RunClient


def roll(crew: Crew, client: RunClient) -> list[int | None]:
    """Start new workers beside each group, then stop the old ones; gives their exit codes (none: still there)."""
    codes: list[int | None] = []
    for group in range(crew.groups):
        old = [crew.workers[kind, group] for kind in KINDS]
        crew.start_group(group)
        crew.wait_until_ready(client)
        for worker in old:
            crew.ask_to_end(worker)
        codes += [crew.exit_code(worker) for worker in old]
    return codes
