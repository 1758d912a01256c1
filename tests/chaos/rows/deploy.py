"""Replace every worker again and again, as rolling deploys do, with hundreds of runs in flight."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.crew import KINDS
from tests.chaos.figures import Figures, Size, percentile
from tests.chaos.generator import Generator
from tests.chaos.nemeses.rolling_restart import roll
from tests.chaos.stage import staged

TOOLS = ["charge", "look_up"]
GROUPS = 2

LEASE_SECONDS = 20.0
"""The default lease: who waits for one is not looked at for so long."""


STOP_SECONDS = 25.0
"""The default drain: with handlers this short nobody needs all of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how much of it."""

    in_flight: int
    restarts: int
    runs: int
    """At most so many, over so long a time."""
    load_seconds: float
    think_seconds: float
    """How long the model works at a run; with the pace this makes how many are in flight."""
    end_seconds: float


PLANS: dict[Size, Plan] = {
    "full": Plan(300, 20, 2_000, 400.0, 62.0, 120.0),
    "small": Plan(20, 2, 200, 30.0, 3.0, 40.0),
}


def scripts(seed: int, think_seconds: float) -> Iterator[str]:
    """Draw scripts of one round of two calls, in the middle of a long time of work."""
    draw = random.Random(seed)
    while True:
        calls = " and ".join(f'{tool} {{"seconds": {draw.uniform(0.02, 0.3):.2f}}}' for tool in TOOLS)
        first = draw.uniform(0.2, 0.8) * think_seconds
        yield f"think {first:.2f}\ncall {calls}\nthink {think_seconds - first:.2f}\nsay Done: $1 and $2."


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    plan = PLANS[size]
    figures = Figures(
        load=f"{plan.in_flight} runs in flight, two tools each",
        nemesis=f"{plan.restarts} rolling restarts by SIGTERM of {GROUPS * len(KINDS)} workers",
    )
    with staged(folder, groups=GROUPS) as stage:
        drawn = scripts(seed, plan.think_seconds)
        load = Generator(stage.client, drawn, plan.runs, plan.load_seconds, TOOLS)
        load.start()
        codes: Counter[int | None] = Counter()
        flights: list[int] = []
        stops: list[float] = []
        while len(flights) < plan.restarts and not load.done:
            flying = len(stage.records.unfinished(load.accepted))
            if flying < plan.in_flight and not flights:
                time.sleep(0.1)
                continue
            flights.append(flying)
            ends = roll(stage.crew, stage.client)
            codes.update(code for code, _ in ends)
            stops += [seconds for _, seconds in ends]
        load.stop()
        left = stage.records.wait_for_end(load.accepted, plan.end_seconds)
        check(figures, stage.client, load.accepted, server_log=stage.server_log, effects=stage.effects)
        figures.demand("runs left to their lease", stage.crew.log_count("run.left_to_lease"), exactly=0)
        gaps = unwatched(stage.server_log)
    figures.demand("restarts", len(flights), exactly=plan.restarts)
    figures.demand("fewest in flight", min(flights, default=0), at_least=plan.in_flight * 0.8)
    figures.demand("workers that ended with 0", codes[0], exactly=plan.restarts * GROUPS * len(KINDS))
    figures.demand("other exit codes", codes.total() - codes[0], exactly=0)
    figures.demand("worst seconds to stop", max(stops, default=0.0), at_most=STOP_SECONDS)
    figures.show("p99 seconds unwatched", percentile(gaps, 0.99))
    figures.demand("worst seconds unwatched", max(gaps, default=0.0), at_most=LEASE_SECONDS - 1)
    for key in left[:10]:
        figures.fail(f"{key} was not finished in time")
    return figures


def unwatched(server_log: Path) -> list[float]:
    """Give, for each provider run, the longest time between two requests about it: who waits for a lease sends none."""
    seen: dict[str, list[float]] = defaultdict(list)
    for line in server_log.read_text(encoding="utf-8").splitlines():
        effect = json.loads(line)
        if effect["run_id"]:
            seen[effect["run_id"]].append(effect["time"])
    return [max((b - a for a, b in itertools.pairwise(times)), default=0.0) for times in seen.values()]
