"""Ride out a Redis that restarts while a caller waits or follows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from threadrun.client.operation import Operation, Pause, T
from threadrun.errors import StoreUnavailable

RIDE_OUT_SECONDS = 60.0
"""How long a caller without a timeout of its own puts up with a Redis that does not answer."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
"""How soon Redis is asked again; each pause is twice the last, and cut at random so that callers do not march."""


@dataclass(slots=True)
class Patience:
    """Know how long one caller still waits for Redis; a Redis that never answered is not waited for."""

    until: float | None = None
    """When the caller's own timeout ends (monotonic); none: it has none."""
    answered: bool = False
    """Redis answered before: its address and login are right."""
    gap_began: float | None = None
    """Since when it does not answer (monotonic)."""
    pause_seconds: float = FIRST_PAUSE_SECONDS

    def hears(self) -> None:
        """Note that Redis answered."""
        self.answered, self.gap_began, self.pause_seconds = True, None, FIRST_PAUSE_SECONDS

    def misses(self, error: StoreUnavailable) -> float:
        """Give the seconds until Redis is asked again.

        Raises:
            StoreUnavailable: It will not come back in time, or waiting does not help.
        """
        now = time.monotonic()
        if self.gap_began is None:
            self.gap_began = now
        end = self.gap_began + RIDE_OUT_SECONDS if self.until is None else self.until
        if not (self.answered and error.passing) or now >= end:
            raise error
        pause = self.pause_seconds * random.uniform(0.5, 1)  # noqa: S311 spreads callers, hides nothing
        self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        return min(pause, end - now)


def patiently(look: Callable[[], Operation[T]], patience: Patience) -> Operation[T]:
    """Repeat a read while Redis does not answer, as long as the caller's patience lasts.

    Raises:
        StoreUnavailable: The patience has ended.
    """
    while True:
        try:
            found = yield from look()
        except StoreUnavailable as error:
            yield Pause(patience.misses(error))
        else:
            patience.hears()
            return found
