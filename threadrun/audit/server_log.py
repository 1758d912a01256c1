"""What the provider did, by its own effect log: which runs it made for which run key, and which it cancelled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from threadrun.audit.json_lines import json_lines


@dataclass(slots=True)
class ServerLog:
    """Hold the provider runs of each run key."""

    made: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Run key to the ids of the runs that were made for it, in order, whether or not the answer arrived."""
    cancelled: set[str] = field(default_factory=set)
    """Ids of runs for which a cancel was accepted."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that the bundled run server writes with `--effect-log`.

        Raises:
            LogUnreadable: It is not there, or no effect log.
        """
        return cls.of(json_lines(path))

    @classmethod
    def of(cls, effects: Iterable[Mapping[str, Any]]) -> Self:
        """Take effects, oldest first."""
        log = cls()
        for effect in effects:
            run_id = effect.get("run_id")
            match effect.get("effect"):
                case "run.created" if run_id and effect.get("threadrun_key"):
                    log.made[effect["threadrun_key"]].append(run_id)
                case "run.cancelled" if run_id:
                    log.cancelled.add(run_id)
        return log

    def uncancelled(self, run_key: str) -> list[str]:
        """Name the provider runs of a run key that nobody cancelled."""
        return [run_id for run_id in self.made.get(run_key, ()) if run_id not in self.cancelled]
