"""Put an engine's parts together, as the worker's runtime does."""

from __future__ import annotations

import sys
from typing import Any, cast

from threadrun.keys import Keys
from worker.decide.rules import Rules
from worker.desk import Desk, ServedTools
from worker.engine import Engine
from worker.observer import Observer
from worker.outbox import Outbox
from worker.permits import Limits, Permits
from worker.providers.base import Provider
from worker.providers.watched import WatchedProvider
from worker.store.runs import RunStore
from worker.view import RunView

PROFILE = "default"
LIMITS = Limits(breaker_failures=2)
SLOTS = 50


class WatchedStore(RunStore):
    """Note which advances a defect of ours broke off: the engine would go on as if nothing had been."""

    def __init__(self, client: Any, keys: Keys) -> None:
        super().__init__(client, keys)
        self.defects: list[str] = []

    async def failed(self, run: RunView) -> int:
        self.defects.append(f"{run.key} in {run.stage}: {sys.exc_info()[1]!r}")
        return await super().failed(run)


def desk(
    store: RunStore,
    redis: Any,
    provider: Provider,
    rules: Rules,
    observer: Observer,
    outbox: Any,
    worker_id: str,
) -> Desk:
    """Gather the parts for one profile."""
    permits = Permits(PROFILE, store.gates, LIMITS)
    return Desk(
        store=store,
        provider=WatchedProvider(provider, permits),
        rules=rules,
        tools=ServedTools(redis, store.keys),
        observer=observer,
        outbox=cast(Outbox, outbox),
        permits=permits,
        retention_ms=7 * 86_400_000,
        max_output_total_bytes=512 * 1024,
        worker_id=worker_id,
    )


def engine(parts: Desk) -> Engine:
    """Build the engine of one profile."""
    return Engine(parts, PROFILE, SLOTS, 100, most_attended=SLOTS)
