"""How late due runs are claimed, read off the agenda itself: a claim takes an entry out of what is due."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

SAMPLE_SECONDS = 0.02


class Lags:
    """Follow what is due from sample to sample; an entry that is gone was claimed in between."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, float], float] = {}
        self.seen_ms: list[float] = []
        """How late those were that a sample saw due, when they were claimed; at most one sample too much."""

    def sample(self, due: Iterable[tuple[str, float]], now_ms: float, since_last_ms: float) -> None:
        """Take in what is due now: run keys, each with the instant since when it is."""
        known = {(run_key, at): now_ms - at for run_key, at in due}
        self.seen_ms += [late + since_last_ms for entry, late in self._due.items() if entry not in known]
        self._due = known


def claim_lags_ms(client: Any, agenda: str, seconds: float) -> list[float]:
    """Watch an agenda for so long, and tell how late each claim was that could be seen."""
    lags, last_ms = Lags(), 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        whole, micro = client.time()
        now_ms = whole * 1000 + micro / 1000
        lags.sample(client.zrangebyscore(agenda, "-inf", now_ms, withscores=True), now_ms, now_ms - last_ms)
        last_ms = now_ms
        time.sleep(SAMPLE_SECONDS)
    return lags.seen_ms
