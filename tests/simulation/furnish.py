"""Put an engine's parts together, as the worker's runtime does."""

from __future__ import annotations

from typing import Any, cast

from worker.decide.rules import Rules
from worker.desk import Desk, ServedTools
from worker.engine import Engine
from worker.observer import Observer
from worker.outbox import Outbox
from worker.permits import Limits, Permits
from worker.providers.base import Provider
from worker.providers.watched import WatchedProvider
from worker.store.runs import RunStore

PROFILE = "default"
LIMITS = Limits(breaker_failures=2)
SLOTS = 50


def engine(
    store: RunStore, redis: Any, provider: Provider, rules: Rules, observer: Observer, outbox: Any
) -> Engine:
    """Build the engine of one profile."""
    permits = Permits(PROFILE, store.gates, LIMITS)
    desk = Desk(
        store=store,
        provider=WatchedProvider(provider, permits),
        rules=rules,
        tools=ServedTools(redis, store.keys),
        observer=observer,
        outbox=cast(Outbox, outbox),
        permits=permits,
        retention_ms=7 * 86_400_000,
        max_output_total_bytes=512 * 1024,
    )
    return Engine(desk, PROFILE, SLOTS, 100)
