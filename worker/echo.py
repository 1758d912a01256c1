"""Learn whether a provider gives the metadata of a run back, from what it shows of our own runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import structlog

from threadrun.models import Run
from threadrun.request import RUN_KEY_METADATA

log = structlog.get_logger("threadrun.engine")

SIGHTS = 3
"""How many sights in a row without our key make a server that does not echo; one can be a slip."""


def carries_key(one: Run, run_key: str) -> bool:
    """Tell whether a run's metadata carries a run key."""
    return (one.metadata or {}).get(RUN_KEY_METADATA) == run_key


class Echo:
    """Count the sights of our runs without our key in their metadata; one for each profile of a process."""

    def __init__(self, profile: str = "") -> None:
        self._profile = profile
        self._bare = 0

    def saw(self, run_key: str, shown: Run) -> None:
        """Note how a run of ours was shown."""
        self._count(0 if carries_key(shown, run_key) else self._bare + 1)

    def saw_listed(self, assistant_id: str, runs: Sequence[Run]) -> None:
        """Note the runs of a thread in which ours may be, newest first: null, where an object belongs, is proof.

        So the first create of unknown outcome is not sent twice to a server that nobody knew yet.
        """
        newest = takewhile(lambda one: not one.metadata, runs)
        ours = (one for one in newest if one.assistant_id == assistant_id)
        if not self.missing and any(one.to_wire().get("metadata") is None for one in ours):
            self._count(SIGHTS)

    def _count(self, bare: int) -> None:
        if bare == SIGHTS:
            log.warning("profile.metadata_not_echoed", profile=self._profile)
        self._bare = bare

    @property
    def missing(self) -> bool:
        """Tell whether the server was seen to keep metadata to itself."""
        return self._bare >= SIGHTS
