"""Kill a random group of workers with all their children, and start it anew."""

from __future__ import annotations

from tests.chaos.crew import Crew
from tests.chaos.nemeses.nemesis import Nemesis


class GroupKiller(Nemesis):
    """SIGKILL one group at a time."""

    def __init__(self, crew: Crew, seed: int, pause_seconds: tuple[float, float] = (1.5, 3.0)) -> None:
        super().__init__(seed, pause_seconds)
        self._crew = crew

    def act(self) -> None:
        """Kill a group."""
        group = self.draw.randrange(self._crew.groups)
        self._crew.kill_group(group)
        self._crew.start_group(group)
