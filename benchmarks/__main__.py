"""Measure all contenders by turns: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.contender import Contender
from benchmarks.measure import Measured, measure
from benchmarks.ours import Ours
from benchmarks.peers import ASYNC_OPENAI, AZURE_AGENTS, FLOOR
from benchmarks.peers.celery_blocking import CeleryBlocking
from benchmarks.report import ratio, table, write
from benchmarks.workload import Workload, plans

SMOKE_RUNS = 120
"""So many runs keep both contenders together under a minute."""

SMOKE_RATIO = 2.0
"""Below this CPU ratio of AsyncOpenAI to ours a smoke test fails."""

WARM_UP_RUNS = 20
"""So many runs open the connections and fill the caches before anything is measured."""

WARM_UP_THINK_SECONDS = 0.2

CONTENDERS: tuple[Contender, ...] = (Ours(), ASYNC_OPENAI, AZURE_AGENTS, CeleryBlocking(), FLOOR)
"""All of them, ours first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; gives the exit code."""
    asked = _parser().parse_args(arguments)
    runs = min(asked.runs, SMOKE_RUNS) if asked.smoke else asked.runs
    workload = Workload(runs, asked.rate, asked.seed, rounds=asked.rounds, parallel=asked.parallel)
    rounds = _measured(_chosen(asked.only), workload, asked.repeat)
    write(asked.json, {**asdict(workload), "repeat": asked.repeat, "smoke": asked.smoke}, rounds)
    print(table(rounds))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}. All numbers are in {asked.json}.")
    if asked.smoke and ratio(rounds, ASYNC_OPENAI.name) < SMOKE_RATIO:
        print(f"The ratio of CPU is below {SMOKE_RATIO:g}.")
        return 1
    return 0


def _chosen(names: Sequence[str]) -> list[Contender]:
    return [contender for contender in CONTENDERS if not names or contender.name in names]


def _measured(contenders: Sequence[Contender], workload: Workload, repeat: int) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
    carried = plans(workload)
    short = replace(workload, runs=WARM_UP_RUNS, median_think_seconds=WARM_UP_THINK_SECONDS)
    warm_up = plans(short)
    for number in range(1, repeat + 1):
        for contender in contenders:
            print(f"round {number}: {contender.name} …", file=sys.stderr, flush=True)
            found[contender.name].append(measure(contender, carried, warm_up))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--runs", type=int, default=300, help="how many runs each contender carries")
    add("--rate", type=float, default=20.0, help="how many arrive in a second")
    add("--seed", type=int, default=1, help="makes arrivals and durations")
    add("--rounds", type=int, default=1, help="how often a run calls for tools")
    add("--parallel", type=int, default=1, help="how many tool calls at once")
    add("--repeat", type=int, default=1, help="take the medians of so many rounds")
    names = [contender.name for contender in CONTENDERS]
    add("--only", action="append", default=[], choices=names, help="leave the others out; may be given again")
    add("--json", type=Path, default=Path("build/bench.json"), help="where every number goes")
    add("--smoke", action="store_true", help="under a minute; fail if the peer needs less than twice our CPU")
    return parser


if __name__ == "__main__":
    sys.exit(main())
