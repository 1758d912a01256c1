"""Learn whether a provider gives the metadata of a run back, from what it shows of our own runs."""

from __future__ import annotations

import structlog

from threadrun.models import Run
from worker.adoption import carries_key

log = structlog.get_logger("threadrun.engine")

SIGHTS = 3
"""How many sights in a row without our key make a server that does not echo; one can be a slip."""


class Echo:
    """Count the sights of our runs without our key in their metadata; one for each profile of a process."""

    def __init__(self, profile: str = "") -> None:
        self._profile = profile
        self._bare = 0

    def saw(self, run_key: str, shown: Run) -> None:
        """Note how a run of ours was shown."""
        self._bare = 0 if carries_key(shown, run_key) else self._bare + 1
        if self._bare == SIGHTS:
            log.warning("profile.metadata_not_echoed", profile=self._profile)

    @property
    def missing(self) -> bool:
        """Tell whether the server was seen to keep metadata to itself."""
        return self._bare >= SIGHTS
