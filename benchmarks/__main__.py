"""Measure all contenders by turns: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.bars import KIND, bars
from benchmarks.contender import Contender
from benchmarks.document import add_section, read
from benchmarks.measure import Measured, measure
from benchmarks.ours import Ours
from benchmarks.peers import ASYNC_OPENAI, AZURE_AGENTS, FLOOR
from benchmarks.peers.celery_blocking import CeleryBlocking
from benchmarks.readme import write_all
from benchmarks.report import Result, bar_table, section, table
from benchmarks.sustained import sustained_rate
from benchmarks.workload import KINDS, WARM_UP_RUNS, WARM_UP_THINK_SECONDS, Workload, plans

SMOKE_RATIO = 1.5
"""Below this CPU ratio of AsyncOpenAI to ours a smoke test fails; 2 is wanted, 1.6 to 2.2 is what it finds."""

SMOKE_TRIES = 3
"""So often it may measure: what a busy machine spoils is better the next time, what a change of ours costs is not."""

SMOKE_RATES = {"threadrun": 100.0, ASYNC_OPENAI.name: 40.0}
"""Two thirds of what each sustains."""

SMOKE = [
    *(word for name in SMOKE_RATES for word in ("--only", name)),
    "--runs",
    "800",
    "--rate",
    "100",
    "--as",
    "smoke",
]
"""What keeps both together under a minute; the seconds at the beginning and the end are paid once each."""

COMFORTABLE = 0.8
"""A contender that sustains less than the wanted rate is measured at this share of what it sustains."""

AT_EASE = 0.6
"""With `--at-ease` at this share of what it sustains with one tool, for other kinds of runs may take more."""

CONTENDERS: tuple[Contender, ...] = (Ours(), ASYNC_OPENAI, AZURE_AGENTS, CeleryBlocking(), FLOOR)
"""All of them, ours first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; gives the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.bars or asked.readme:
        return _tell(asked)
    if asked.smoke:
        return _smoke(_parser().parse_args([*SMOKE, "--smoke", "--json", str(asked.json)]))
    for kind in asked.kind or [KIND]:
        _shown(kind, asked)
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}. All numbers are in {asked.json}.")
    return 0


def _smoke(asked: argparse.Namespace) -> int:
    for _ in range(SMOKE_TRIES):
        if _shown(KIND, asked).ratio(ASYNC_OPENAI.name) >= SMOKE_RATIO:
            return 0
    print(f"The ratio of CPU was below {SMOKE_RATIO:g} each of {SMOKE_TRIES} times.")
    return 1


def _shown(kind: str, asked: argparse.Namespace) -> Result:
    found = _compared(kind, asked)
    print(f"{kind}\n{table(found)}\n", flush=True)
    add_section(asked.json, "contenders", {asked.section or kind: section(found)})
    return found


def _tell(asked: argparse.Namespace) -> int:
    document = read(asked.json)
    print(bar_table(bars(document)))
    if asked.readme:
        write_all(document)
    return 0


def _compared(kind: str, asked: argparse.Namespace) -> Result:
    """Search for the rates that are sustained, if asked, then measure by turns."""
    times, parallel = KINDS[kind]
    workload = Workload(asked.runs, asked.rate, asked.seed, rounds=times, parallel=parallel)
    chosen = [one for one in CONTENDERS if not asked.only or one.name in asked.only]
    sustained = {}
    for contender in chosen if asked.sustained else ():
        _say(f"{kind}: what {contender.name} sustains …")
        sustained[contender.name] = sustained_rate(contender, workload)
    rates = {one.name: _rate(asked.rate, sustained.get(one.name)) for one in chosen}
    if asked.at_ease:
        known = read(asked.json)["contenders"][KIND]["sustained"]
        rates = {one.name: min(asked.rate, AT_EASE * known[one.name]) for one in chosen}
    elif asked.smoke:
        rates = SMOKE_RATES
    seconds = asked.runs / asked.rate
    work = {name: workload.at(rate, max(WARM_UP_RUNS, round(rate * seconds))) for name, rate in rates.items()}
    return Result(_by_turns(chosen, work, asked.repeat), rates, sustained)


def _rate(wanted: float, sustained: float | None) -> float:
    return wanted if sustained is None or sustained >= wanted else COMFORTABLE * sustained


def _by_turns(
    contenders: Iterable[Contender], work: dict[str, Workload], repeat: int
) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {name: [] for name in work}
    for number in range(1, repeat + 1):
        for contender in contenders:
            _say(f"round {number}: {contender.name} …")
            own = work[contender.name]
            short = own.warm(WARM_UP_RUNS, WARM_UP_THINK_SECONDS)
            found[contender.name].append(measure(contender, plans(own), plans(short)))
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    names = [contender.name for contender in CONTENDERS]
    add("--runs", type=int, default=300, help="how many runs arrive; fewer, where the rate is lower")
    add("--rate", type=float, default=20.0, help="how many arrive in a second, if the contender sustains it")
    add("--seed", type=int, default=1, help="makes arrivals and durations")
    add("--kind", action="append", choices=list(KINDS), help="the kind of runs: one tool; may be given again")
    add("--as", dest="section", help="the name of the figures in the file; none: the kind of runs")
    add("--only", action="append", default=[], choices=names, help="leave the others out; may be given again")
    add("--sustained", action="store_true", help="first search for the rate that each sustains")
    add(
        "--at-ease",
        action="store_true",
        help="at what each sustains with one tool by the file, and a good deal less",
    )
    add("--repeat", type=int, default=1, help="take the medians of so many rounds")
    add("--json", type=Path, default=Path("build/bench.json"), help="where every number goes")
    add(
        "--smoke",
        action="store_true",
        help="under a minute; fail if the peer needs hardly more CPU than we do",
    )
    add("--bars", action="store_true", help="measure nothing: hold the file against the bars")
    add("--readme", action="store_true", help="the same, and write the tables of README.md and docs/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
