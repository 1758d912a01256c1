"""Let processes die before and after each I/O of each kind of run, as the I/O itself was seen."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from tests.simulation.deployment import START_MS, Deployment, Surroundings
from tests.simulation.kinds import KINDS, Entered, handlers, play
from tests.simulation.provider_server import BASE_URL, ProviderServer
from tests.simulation.seam import Fate, Point
from tests.simulation.turned_time import turned_time
from tests.simulation.verdict import handler_faults, left_faults, provider_faults, record_faults
from threadrun.keys import Keys


@dataclass
class Life:
    """What one life of a kind showed."""

    points: list[Point]
    """Every step, in order: each is a place to die at."""
    faults: list[str]
    """What must not be."""
    deaths: list[str] = field(default_factory=list)


def live(redis: Redis, kind_name: str, *die_at: Point) -> Life:
    """Carry one kind of run to its end in this process, dying at these points."""
    kind, entered, server = KINDS[kind_name], Entered(), ProviderServer()
    keys = Keys(f"p{uuid.uuid4().hex[:10]}:")
    around = Surroundings(redis, keys, f"clock-of-{keys.prefix}", server, server.clock.advance)
    told: list[Any] = []
    around.published = lambda message: told.append(message) if message.task == "shop.done" else None
    redis.set(around.clock_key, START_MS)
    deployment = Deployment(around, Fate(*die_at), handlers(entered))
    try:
        with turned_time(deployment.monotonic, deployment.turn):
            run_keys = play(deployment, kind, a_thread(server))
        faults = []
        for key in run_keys:
            record = deployment.record(key)
            faults += record_faults(record, kind, died=bool(deployment.deaths))
            if kind.options.get("on_done") and {m.kwargs["outcome"] for m in told} != {record.outcome}:
                faults.append("not told")
        names = sorted(name for name in redis.scan_iter(f"{keys.prefix}*"))
        faults += provider_faults([server.world.dialect.run(r) for r in server.world.runs.values()], run_keys)
        faults += handler_faults(entered.entries)
        faults += left_faults(name.removeprefix(keys.prefix) for name in names)
    finally:
        deployment.close()
        redis.delete(around.clock_key, *redis.scan_iter(f"{keys.prefix}*"))
    return Life(deployment.fate.points, faults, deployment.deaths)


def a_thread(server: ProviderServer) -> str:
    made = server.answer("POST", f"{BASE_URL}/threads", b"{}")
    return next(iter(server.world.threads)) if made.status == 200 else ""
