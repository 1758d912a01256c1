"""Have every request go wrong in every way, on each side of its effect; then break the line itself."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cells import OPERATIONS, Cell, cells
from tests.chaos.checker import check
from tests.chaos.figures import Figures, Size
from tests.chaos.nemeses.line_breaker import LineBreaker
from tests.chaos.stage import SERVER_LINE, Stage, staged
from tests.chaos.stopwatch import VARIABLE, Timed, read
from threadrun.audit import Rule
from threadrun.testing import Fault, FaultPlan

DEADLINE_SECONDS = 10.0
"""What a request may take; the default, 15 s, would only make silences longer."""

HELD_SECONDS = 0.5
"""What the loop's thread may work at a stretch; requests of other runs wait for so long."""

SCRIPT = 'think {think:.2f}\ncall look_up {{"seconds": 0.05}}\nthink {think:.2f}\nsay $1'
MISLEADING = Cell("create_run", Fault.WRONG_ID)

TO_CANCEL = "think 120\nsay Too late."


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how much of it."""

    runs_a_cell: int
    share: float
    """Which share of the cells."""
    runs_on_a_bad_line: int
    a_second: float
    """How many runs are enqueued a second."""
    end_seconds: float


PLANS: dict[Size, Plan] = {"full": Plan(10, 1.0, 200, 8.0, 240.0), "small": Plan(1, 0.2, 10, 10.0, 60.0)}


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    plan, draw = PLANS[size], random.Random(seed)
    every = list(cells())
    chosen = draw.sample(every, round(len(every) * plan.share))
    runs = {f"{cell.name}-{number}": cell for cell in chosen for number in range(plan.runs_a_cell)}
    figures = Figures(
        load=f"{len(chosen)} cells of {len(OPERATIONS)} operations, {plan.runs_a_cell} runs each; "
        f"{plan.runs_on_a_bad_line} runs on a bad line",
        nemesis="every fault of the run server before, after and in mid-body; every fault of a TCP line",
    )
    requests = folder / "requests.txt"
    env = {
        "THREADRUN_PROFILES__DEFAULT__REQUEST_DEADLINE_SECONDS": f"{DEADLINE_SECONDS:g}",
        VARIABLE: str(requests),
    }
    with staged(folder, groups=2, env=env, lines=[SERVER_LINE]) as stage:
        plans = FaultPlan([cell.rule(key) for key, cell in runs.items()], seed=seed)
        stage.stack.control.set_faults(plans)
        keys = draw.sample(list(runs), len(runs))
        accepted = enqueue(stage, keys, runs, plan.a_second, draw)
        with LineBreaker(stage.server_line, seed) as breaker:
            bad = [f"line-{number:04}" for number in range(plan.runs_on_a_bad_line)]
            accepted += enqueue(stage, bad, {}, plan.a_second, draw)
            left = stage.records.wait_for_end(accepted, 10.0)
        left = stage.records.wait_for_end(left, plan.end_seconds)
        counts = stage.stack.control.fault_counts()
        # Who is told a wrong id by the create itself records a run that the provider does not have, as lost.
        misled = {(Rule.PROVIDER_OTHER, key) for key, cell in runs.items() if cell == MISLEADING}
        check(
            figures,
            stage.client,
            accepted,
            server_log=stage.server_log,
            effects=stage.effects,
            excused=misled,
        )
    figures.show("faults met", sum(count.injected for count in counts))
    figures.demand("cells without a fault", unmet(runs, [count.injected for count in counts]), exactly=0)
    figures.show("line faults", breaker.broken.total())
    judge(figures, read(requests.read_text().splitlines()))
    for key in left[:20]:
        figures.fail(f"{key} was not finished in time")
    return figures


def enqueue(
    stage: Stage, run_keys: Sequence[str], runs: dict[str, Cell], a_second: float, draw: random.Random
) -> list[str]:
    """Enqueue at a steady pace; runs whose cancel goes wrong are cancelled once they are created."""
    begun, waiting = time.monotonic(), []
    for number, key in enumerate(run_keys):
        time.sleep(max(0.0, begun + number / a_second - time.monotonic()))
        cancelled = key in runs and runs[key].operation == "cancel"
        script = TO_CANCEL if cancelled else SCRIPT.format(think=draw.uniform(0.05, 0.3))
        stage.client.enqueue("asst_demo", messages=script, tools=["look_up"], idempotency_key=key)
        waiting += [key] if cancelled else []
        waiting = [key for key in waiting if not cancel_if_created(stage, key)]
    while waiting:
        waiting = [key for key in waiting if not cancel_if_created(stage, key)]
        time.sleep(0.1)
    return list(run_keys)


def cancel_if_created(stage: Stage, run_key: str) -> bool:
    """Cancel a run that exists at the provider; tell whether it was done."""
    record = stage.client.get(run_key)
    if record.run_id is None and not record.final:
        return False
    stage.client.cancel(run_key)
    return True


def judge(figures: Figures, requests: Sequence[Timed]) -> None:
    """Hold the requests against their deadline; that a starved loop comes late to all its timers is shown apart."""
    own = max(request.seconds - request.timer_late_seconds for request in requests)
    figures.demand("longest request seconds", own, at_most=DEADLINE_SECONDS * 1.1)
    figures.show("latest timer seconds", max(request.timer_late_seconds for request in requests))
    held = max(request.loop_held_seconds for request in requests)
    figures.demand("longest hold of a loop, CPU seconds", held, at_most=HELD_SECONDS)


def unmet(runs: dict[str, Cell], injected: Sequence[int]) -> int:
    """Count the cells of which no run met its fault."""
    met = {cell.name for cell, times in zip(runs.values(), injected, strict=True) if times}
    return len({cell.name for cell in runs.values()} - met)
