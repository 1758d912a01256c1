"""Let processes die before and after each I/O of each kind of run, as the I/O itself was seen."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from tests.simulation.deployment import START_MS, Deployment, Surroundings
from tests.simulation.handlers import Entered, Handlers
from tests.simulation.kinds import KINDS, Kind, play
from tests.simulation.provider_server import BASE_URL, ProviderServer
from tests.simulation.seam import Fate, Point, die
from tests.simulation.turned_time import turned_time
from tests.simulation.verdict import handler_faults, left_faults, provider_faults, record_faults
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.testing.faults import FaultPlan


@dataclass
class Life:
    """What one life of a kind showed."""

    points: list[Point]
    """Every step, in order: each is a place to die at."""
    faults: list[str]
    """What must not be."""
    deaths: list[str] = field(default_factory=list)


def live(redis: Redis, kind: str | Kind, *die_at: Point, jump_seconds: float = 0) -> Life:
    """Carry one kind of run to its end in this process, dying at these points, or setting Redis's clock there."""
    kind = KINDS[kind] if isinstance(kind, str) else kind
    entered, server = Entered(), ProviderServer()
    server.world.set_faults(FaultPlan(kind.faults))
    around = surroundings(redis, server, server.clock.advance)
    told: list[str] = []
    around.published = lambda message: told.append(message.task)
    kill = (lambda _: deployment.jump(jump_seconds)) if jump_seconds else die
    deployment = Deployment(around, Fate(*kind.dies_at, *die_at, kill=kill), Handlers(entered))
    try:
        with turned_time(deployment.monotonic, deployment.turn):
            run_keys = play(deployment, kind, a_thread(server))
        evidence = Evidence(run_keys, [*map(server.world.dialect.run, server.world.runs.values())],
                            entered.entries, told)  # fmt: skip
        judged = kind.after_a_forgotten_jump() if deployment.jump_forgotten else kind
        found = deployment.errors + faults(around, judged, evidence, deployment.deaths)
        return Life(deployment.fate.points, found, deployment.deaths)
    finally:
        deployment.close()
        forget(around)


@dataclass(frozen=True)
class Evidence:
    """What was seen outside of Redis."""

    run_keys: list[str]
    provider_runs: list[Any]
    entries: list[tuple[str, str]]
    told: list[str]


def faults(around: Surroundings, kind: Kind, seen: Evidence, deaths: list[str]) -> list[str]:
    """List what must not be."""
    reader = RunClient(around.redis, key_prefix=around.keys.prefix)
    found: list[str] = []
    for key in seen.run_keys:
        found += record_faults(reader.get(key), kind, died=bool(deaths))
    if kind.options.get("on_done") and "shop.done" not in seen.told:
        found.append("its caller was not told")
    prefix = around.keys.prefix
    names = sorted(around.redis.scan_iter(f"{prefix}*"))
    found += left_faults(name.removeprefix(prefix) for name in names)
    return [*found, *provider_faults(seen.provider_runs, seen.run_keys), *handler_faults(seen.entries)]


def surroundings(redis: Redis, transport: Any, turn_provider: Callable[[float], Any]) -> Surroundings:
    """Give a deployment a corner of a Redis of its own, and a clock there."""
    keys = Keys(f"p{uuid.uuid4().hex[:10]}:")
    around = Surroundings(redis, keys, f"clock-of-{keys.prefix}", transport, turn_provider)
    redis.set(around.clock_key, START_MS)
    return around


def forget(around: Surroundings) -> None:
    around.redis.delete(around.clock_key, *around.redis.scan_iter(f"{around.keys.prefix}*"))


def a_thread(server: ProviderServer) -> str:
    server.answer("POST", f"{BASE_URL}/threads", b"{}")
    return next(iter(server.world.threads))
