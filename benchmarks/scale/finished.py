"""What a one-tool run leaves in Redis when it is final, and the commands that brought it there."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.ours import Ours
from benchmarks.scale.redis_stats import commands, commands_between, connect, held_bytes
from benchmarks.workload import Workload, plans
from threadrun.keys import Keys

WARM_UP_RUNS = 50


@dataclass(frozen=True, slots=True)
class Finished:
    """Tell it of one run, on average."""

    redis_bytes_per_run: float
    """Record, events, calls and indexes."""
    commands_per_run: float
    """All that Redis ran, inside scripts too, with the ticks and heartbeats of the time."""
    scripts_per_run: float
    """Scripts called; each is one round trip."""
    most_frequent: dict[str, float]
    """The commands by name, of one run."""


def finish(runs: int, rate: float) -> Finished:
    """Carry runs with one tool call each, and see what is left."""
    with Ours().start() as started:
        client, keys = connect(started.stack.redis_url), Keys()
        started.driver.carry(plans(Workload(WARM_UP_RUNS, rate, seed=1, median_think_seconds=0.2)))
        held, ran = held_bytes(client, keys), commands(client)
        started.driver.carry(plans(Workload(runs, rate, seed=2)))
        between = commands_between(ran, commands(client))
        return Finished(
            redis_bytes_per_run=(held_bytes(client, keys) - held) / runs,
            commands_per_run=sum(between.values()) / runs,
            scripts_per_run=sum(between.get(name, 0) for name in ("evalsha", "eval", "fcall")) / runs,
            most_frequent={name: calls / runs for name, calls in list(between.items())[:12]},
        )
