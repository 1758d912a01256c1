"""Look over a sample of the open runs, and over those who should carry them; for `threadrun doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from threadrun.client.operation import Operation
from threadrun.client.stats import Stats, stats
from threadrun.client.waiting import WaitsFor, waits_for
from threadrun.errors import RecordDamaged, RecordTooNew, RunNotFound
from threadrun.keys import Keys
from threadrun.records import utc
from threadrun.status import TERMINAL_STATUSES, RunStatus

_OPEN_LABELS = ("none", *(status for status in RunStatus if status not in TERMINAL_STATUSES))


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold what was seen; the runs were read one after the other, each at one moment."""

    stats: Stats
    runs: tuple[WaitsFor, ...]
    """The sample: the oldest runs of each open status and the newest of all that are not done."""
    profiles_seen_at: Mapping[str, datetime]
    """When a worker last served each profile."""
    tools_seen_at: Mapping[str, datetime]
    """When a worker last served each tool."""
    damaged: tuple[str, ...] = ()
    """Run keys that the sample came upon and whose records cannot be read."""


def survey(keys: Keys, limit: int) -> Operation[Survey]:
    """Look over at most about `limit` runs."""
    seen = yield from stats(keys)
    profiles, tools, *indexes = yield lambda client: _lists(client, keys, max(1, limit // 6))
    sample = dict.fromkeys(run_key for index in indexes for run_key in index)
    runs: list[WaitsFor] = []
    damaged: dict[str, None] = {}
    for run_key in sample:
        try:
            found = yield from waits_for(keys, run_key)
        except (RunNotFound, RecordTooNew):
            continue  # expired, so the tick trims the index later; or for a newer threadrun to judge
        except RecordDamaged as error:
            damaged[error.run_key] = None  # its own, or the holder's of its thread
            continue
        if not found.final or found.agendas:
            runs.append(found)
    return Survey(seen, tuple(runs), _sights(profiles), _sights(tools), tuple(damaged))


def _lists(client: Any, keys: Keys, each: int) -> Any:
    pipe = client.pipeline(transaction=False)
    pipe.zrange(keys.profiles(), 0, -1, withscores=True)
    pipe.zrange(keys.tools_seen(), 0, -1, withscores=True)
    for label in _OPEN_LABELS:
        pipe.zrange(keys.index_status(label), 0, each - 1)
    pipe.zrevrange(keys.index_runs(), 0, each - 1)
    return pipe.execute()


def _sights(scored: list[tuple[str, float]]) -> dict[str, datetime]:
    return {name: utc(int(ms)) for name, ms in scored}
