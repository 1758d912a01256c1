"""Let hypothesis choose what is delivered, lost, doubled, stalled and killed, in thousands of small worlds."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.figures import Figures, Size
from tests.simulation.ground import Ground
from tests.simulation.model import Model
from tests.simulation.swift_redis import swift_redis
from tests.simulation.turned_time import quiet
from threadrun.testing.embedded_redis import EmbeddedRedis

EXAMPLES: dict[Size, int] = {"full": 20_000, "small": 500}
MIN_STEPS, MAX_STEPS = 10, 14
PROCESSES = 2
SHARE = 500
"""How many worlds hypothesis draws in a row: it remembers every choice, and gets slower and bigger with each."""


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    figures = Figures(
        load=f"{EXAMPLES[size]:,} worlds of up to three runs",
        nemesis="deliver, lose, double, reorder, crash, stall, lapse, Redis gap, lost and late answers, cancel",
    )
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        share = min(SHARE, EXAMPLES[size] // PROCESSES)
        seeds = [seed * 1_000 + number for number in range(EXAMPLES[size] // share)]
        results = list(pool.map(explore, [share] * len(seeds), seeds))
    figures.demand("worlds", sum(tried for tried, _ in results), at_least=EXAMPLES[size])
    broken = [report for _, report in results if report]
    figures.demand("broken invariants", len(broken), exactly=0)
    for number, report in enumerate(broken):
        (folder / f"broken-{number}.txt").write_text(report, encoding="utf-8")
        figures.fail(f"{report[:1_000]} … {report[-1_000:]}")
    return figures


def explore(examples: int, seed: int) -> tuple[int, str]:
    """Try so many worlds; gives how many, and what was broken in one of them."""
    tried = 0
    with quiet(), EmbeddedRedis() as redis:
        ground = Ground.on(swift_redis(redis.url))

        @seeded(seed)
        def world() -> Model:
            nonlocal tried
            tried += 1
            return Model(ground)

        try:
            run_state_machine_as_test(world, settings=_settings(examples), _min_steps=MIN_STEPS)
        except Exception as error:
            return tried, "\n".join([f"seed {seed}: {error!r}", *getattr(error, "__notes__", ())])
    return tried, ""


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=MAX_STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
