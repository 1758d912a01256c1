"""Kill groups of workers for minutes while they carry runs; every run still ends in one right record."""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.figures import Figures, Size, percentile
from tests.chaos.generator import Generator
from tests.chaos.nemeses.group_killer import GroupKiller
from tests.chaos.stage import QUICK, staged

TOOLS = ["charge", "look_up"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how much of it."""

    runs: int
    kills: int
    load_seconds: float
    """Over which time the runs are enqueued, so that some are in hand at every kill."""
    end_seconds: float
    """How long the last runs may take after the last kill."""
    recovery_seconds: float
    env: Mapping[str, str]


PLANS: dict[Size, Plan] = {
    "full": Plan(2_000, 200, 440.0, 90.0, 45.0, {}),
    "small": Plan(60, 8, 14.0, 60.0, 45.0, QUICK),
}


def scripts(seed: int) -> Iterator[str]:
    """Draw scripts of two rounds of two calls."""
    draw = random.Random(seed)
    while True:
        rounds = [_round(draw), _round(draw)]
        yield "\n".join([*rounds, "say Done: $1 and $2."])


def _round(draw: random.Random) -> str:
    calls = (f'{tool} {{"seconds": {draw.uniform(0.02, 0.25):.2f}}}' for tool in TOOLS)
    return f"think {draw.uniform(0.05, 0.4):.2f}\ncall {' and '.join(calls)}"


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    plan = PLANS[size]
    figures = Figures(
        load=f"{plan.runs:,} runs, two rounds of two tools, 4 worker groups",
        nemesis="SIGKILL a random group every 1.5 to 3 s",
    )
    with staged(folder, groups=4, env=plan.env) as stage:
        load = Generator(stage.client, scripts(seed), plan.runs, plan.load_seconds, TOOLS)
        with GroupKiller(stage.crew, seed) as killer:
            load.start()
            while not (load.done and len(killer.acts) >= plan.kills) and not killer.failed:
                time.sleep(0.1)
        left = stage.records.wait_for_end(load.accepted, plan.end_seconds)
        audit = check(
            figures, stage.client, load.accepted, server_log=stage.server_log, effects=stage.effects
        )
        events = stage.records.events(load.accepted)
    figures.demand("kills", len(killer.acts), at_least=plan.kills)
    figures.demand("tool calls", audit.tally.calls, exactly=plan.runs * 4)
    worst = recoveries(events, killer.acts)
    figures.demand("p99 recovery seconds", percentile(worst, 0.99), at_most=plan.recovery_seconds)
    figures.show("worst recovery seconds", max(worst, default=0.0))
    for key in left[:10]:
        figures.fail(f"{key} was not finished in time")
    return figures


def recoveries(events: Mapping[str, Sequence[tuple[float, str]]], kills: Sequence[float]) -> list[float]:
    """Give, for each run that lived through a kill, the longest it took from a kill to its next event."""
    found = []
    for history in events.values():
        times = [at for at, _ in history]
        waits = [times[bisect_right(times, kill)] - kill for kill in kills if times[0] <= kill < times[-1]]
        found += [max(waits)] if waits else []
    return found
