"""Read how the whole is doing: what is due, since when, who works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from threadrun.client.clock import told_ms
from threadrun.client.operation import Operation
from threadrun.client.pauses import PauseStats, pauses_of, read_pauses
from threadrun.keys import Keys
from threadrun.records import utc
from threadrun.status import Stage

STUCK_AFTER_SECONDS = 60.0
"""A run that has been due for so long is stuck: no worker looks at it."""

ALIVE_SECONDS = 15.0
"""A worker that gave no sign for so long counts as dead; the workers' own default."""

OPEN_STAGES = tuple(stage for stage in Stage if stage is not Stage.DONE)


@dataclass(frozen=True, slots=True)
class AgendaStats:
    """Count the runs of one stage and profile."""

    profile: str
    stage: Stage
    runs: int
    """Open runs in this stage."""
    due: int
    """Runs whose time has come and that nobody has claimed yet."""
    oldest_due_seconds: float
    """How long the first of them has been due; 0 if none is."""
    stuck: int
    """Runs due for more than a minute."""


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Show one worker's last sign of life."""

    worker_id: str
    kind: str
    """`runs` or `tools`."""
    host: str
    pid: int
    seen_at: datetime
    alive: bool
    """It gave a sign within the last 15 s."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Hold what `threadrun stats` shows."""

    at: datetime
    """Redis's time."""
    agendas: tuple[AgendaStats, ...]
    workers: tuple[WorkerStats, ...]
    tools: tuple[str, ...]
    """Tools that a living worker serves."""
    pauses: tuple[PauseStats, ...] = ()
    """Which profiles' providers are left alone, and for how long."""
    quarantined: int = 0
    """Runs and calls that are set aside for a person; see `RunClient.quarantined`."""


def stats(keys: Keys) -> Operation[Stats]:
    """Read all agendas and workers."""
    profiles, workers, tools, quarantined, clock, ahead_ms = yield lambda client: _heads(client, keys)
    now_ms = told_ms(clock, ahead_ms)
    names = list(dict.fromkeys([*profiles, "default"]))
    pairs = [(profile, stage) for profile in names for stage in OPEN_STAGES]
    counts = yield lambda client: _counts(client, keys, pairs, now_ms)
    gates = yield lambda client: read_pauses(client, keys, names)
    details = yield lambda client: _details(client, keys, [worker for worker, _ in workers])
    agendas = [_agenda(pair, counts[4 * at : 4 * at + 4], now_ms) for at, pair in enumerate(pairs)]
    shown = tuple(
        _worker(name, seen, row, now_ms) for (name, seen), row in zip(workers, details, strict=True)
    )
    served = sorted(tool for tool, seen in tools if _is_alive(seen, now_ms))
    pauses = [pause for name, row in zip(names, gates, strict=True) for pause in pauses_of(name, row, now_ms)]
    return Stats(
        utc(now_ms), tuple(a for a in agendas if a.runs), shown, tuple(served), tuple(pauses), quarantined
    )


def _heads(client: Any, keys: Keys) -> Any:
    pipe = client.pipeline(transaction=False)
    pipe.zrange(keys.profiles(), 0, -1)
    pipe.zrange(keys.workers(), 0, -1, withscores=True)
    pipe.zrange(keys.tools_seen(), 0, -1, withscores=True)
    pipe.zcard(keys.quarantine())
    pipe.time()
    pipe.hget(keys.clock(), "ahead_ms")
    return pipe.execute()


def _counts(client: Any, keys: Keys, pairs: Sequence[tuple[str, Stage]], now_ms: int) -> Any:
    pipe = client.pipeline(transaction=False)
    for profile, stage in pairs:
        agenda = keys.agenda(stage, profile)
        pipe.zcard(agenda)
        pipe.zcount(agenda, "-inf", now_ms)
        pipe.zcount(agenda, "-inf", now_ms - STUCK_AFTER_SECONDS * 1000)
        pipe.zrange(agenda, 0, 0, withscores=True)
    return pipe.execute()


def _details(client: Any, keys: Keys, workers: Sequence[str]) -> Any:
    pipe = client.pipeline(transaction=False)
    for worker in workers:
        pipe.hmget(keys.worker(worker), "kind", "host", "pid")
    return pipe.execute()


def _agenda(pair: tuple[str, Stage], counts: Sequence[Any], now_ms: int) -> AgendaStats:
    runs, due, stuck, first = counts
    oldest = max(0.0, (now_ms - float(first[0][1])) / 1000) if first else 0.0
    return AgendaStats(pair[0], pair[1], runs, due, oldest, stuck)


def _worker(worker_id: str, seen_ms: float, row: Sequence[str | None], now_ms: int) -> WorkerStats:
    kind, host, pid = row
    alive = _is_alive(seen_ms, now_ms)
    return WorkerStats(worker_id, kind or "", host or "", int(pid or 0), utc(int(seen_ms)), alive)


def _is_alive(seen_ms: float, now_ms: int) -> bool:
    return now_ms - seen_ms <= ALIVE_SECONDS * 1000
