"""Measure how threadrun grows: `python -m benchmarks.scale`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.document import add_section
from benchmarks.scale.enqueueing import enqueueing
from benchmarks.scale.finished import finish
from benchmarks.scale.idle import idle
from benchmarks.scale.in_flight import hold
from benchmarks.scale.one_poll import one_poll
from benchmarks.scale.startup import start_up

FINISHED_RUNS = 600
RATE = 40.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print it, and write it beside the contenders' figures."""
    asked = _parser().parse_args(arguments)
    parts: dict[str, Callable[[], Any]] = {
        "one_poll": one_poll,
        "start_up": start_up,
        "enqueueing": enqueueing,
        "idle": lambda: idle(asked.watch_seconds),
        "finished": lambda: finish(FINISHED_RUNS, RATE),
        **{f"in_flight_{runs}": _level(runs, asked.watch_seconds) for runs in asked.in_flight},
    }
    for name, measure in parts.items():
        if not asked.only or name in asked.only or name.rpartition("_")[0] in asked.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            figures = asdict(measure())
            print("\n".join([name, *_lines(figures)]), flush=True)
            add_section(asked.json, "scale", {name: figures})
    return 0


def _level(runs: int, watch_seconds: float) -> Callable[[], Any]:
    return lambda: hold(runs, watch_seconds)


def _lines(figures: dict[str, Any]) -> list[str]:
    return [f"  {name:24} {_told(value)}" for name, value in figures.items()]


def _told(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_told(one)}" for name, one in value.items())
        case float():
            return f"{value:.4g}"
    return str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--in-flight", type=int, nargs="*", default=[1_000, 10_000, 50_000], help="how many runs at once")
    add("--watch-seconds", type=float, default=20.0, help="how long each state is watched")
    add("--only", action="append", default=[], help="a part by its name, such as idle or in_flight")
    add("--json", type=Path, default=Path("build/bench.json"), help="where the figures go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
