"""Kill Redis again and again while runs are enqueued and carried; what was accepted is not lost."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.figures import Figures, Size
from tests.chaos.generator import Generator
from tests.chaos.nemeses.line_breaker import LineBreaker
from tests.chaos.nemeses.redis_killer import RedisKiller
from tests.chaos.rows.kill_loop import TOOLS, scripts
from tests.chaos.stage import QUICK, REDIS_LINE, staged

PROGRESS_SECONDS = 10.0
"""How soon after Redis's return something must have moved."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how much of it."""

    runs: int
    kills: int
    load_seconds: float
    pause_seconds: tuple[float, float]
    end_seconds: float
    runs_on_a_bad_line: int
    bad_line_seconds: float
    env: Mapping[str, str]


PLANS: dict[Size, Plan] = {
    "full": Plan(1_000, 20, 250.0, (5.0, 20.0), 120.0, 100, 45.0, {}),
    "small": Plan(40, 2, 8.0, (3.0, 5.0), 40.0, 10, 6.0, QUICK),
}


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    plan = PLANS[size]
    figures = Figures(
        load=f"{plan.runs:,} runs, two rounds of two tools; {plan.runs_on_a_bad_line} on a bad line to Redis",
        nemesis=f"SIGKILL Redis every {plan.pause_seconds[0]:g} to {plan.pause_seconds[1]:g} s, at times twice; "
        "then every fault of a TCP line",
    )
    with staged(folder, groups=2, env=plan.env, lines=[REDIS_LINE]) as stage:
        replaced = 0
        load = Generator(stage.client, scripts(seed), plan.runs, plan.load_seconds, TOOLS)
        with RedisKiller(stage.stack.redis, seed, plan.pause_seconds) as killer:
            load.start()
            while not (load.done and killer.kills >= plan.kills) and not killer.failed:
                replaced += stage.crew.replace_ended()
                time.sleep(0.1)
        with LineBreaker(stage.redis_line, seed) as breaker:
            tail = Generator(
                stage.client, scripts(seed + 1), plan.runs_on_a_bad_line, plan.bad_line_seconds, TOOLS, "line"
            )
            tail.start()
            while not tail.done and not breaker.failed:
                replaced += stage.crew.replace_ended()
                time.sleep(0.1)
        accepted = [*load.accepted, *tail.accepted]
        left = stage.records.wait_for_end(accepted, plan.end_seconds)
        check(figures, stage.client, accepted, server_log=stage.server_log, effects=stage.effects)
        events = stage.records.events(accepted)
        replaced += stage.crew.replace_ended()
    figures.demand("kills", killer.kills, at_least=plan.kills)
    figures.show("workers that a supervisor had to start anew", replaced)
    figures.show("enqueues repeated", load.repeats)
    figures.show("line faults", breaker.broken.total())
    still = standstills(events, killer.returns)
    figures.demand("worst seconds until progress", max(still, default=0.0), at_most=PROGRESS_SECONDS)
    for key in left[:10]:
        figures.fail(f"{key} was not finished in time")
    return figures


def standstills(events: Mapping[str, Sequence[tuple[float, str]]], returns: Sequence[float]) -> list[float]:
    """Give, for each return of Redis with open runs, how long until a worker moved one of them."""
    spans = [(history[0][0], history[-1][0]) for history in events.values()]
    moves = sorted(at for history in events.values() for at, kind in history if kind != "run.enqueued")
    awaited = [back for back in returns if any(begun <= back < end for begun, end in spans)]
    return [moves[bisect_right(moves, back)] - back for back in awaited]
