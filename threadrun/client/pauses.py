"""Read which profiles are paused: their providers asked for it, or do not work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threadrun.keys import Keys

PAUSE_REASONS = {"GET": "rate_limited", "POST": "rate_limited", "both": "unavailable"}
"""Why requests of a kind are paused, in the words of the log."""


@dataclass(frozen=True, slots=True)
class PauseStats:
    """Show one pause that all workers of a profile keep."""

    profile: str
    kind: str
    """Which requests: `GET`, `POST` or `both`."""
    reason: str
    """`rate_limited` (429) or `unavailable` (5xx, no connection, no answer in time)."""
    seconds: float
    """For how long still."""


def read_pauses(client: Any, keys: Keys, profiles: Sequence[str]) -> Any:
    """Read all of them at once; one row a profile, for `pauses_of`."""
    pipe = client.pipeline(transaction=False)
    for profile in profiles:
        pipe.hmget(keys.permits(profile), [f"{kind}_until" for kind in PAUSE_REASONS])
    return pipe.execute()


def pauses_of(profile: str, row: Sequence[str | None], now_ms: int) -> tuple[PauseStats, ...]:
    """Type one row; what is over is left out."""
    left_ms = {kind: int(until or 0) - now_ms for kind, until in zip(PAUSE_REASONS, row, strict=True)}
    return tuple(
        PauseStats(profile, kind, PAUSE_REASONS[kind], left / 1000)
        for kind, left in left_ms.items()
        if left > 0
    )
