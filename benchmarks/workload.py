"""The runs to carry: when each arrives, and how long its model thinks; the same ones for the same seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

CITIES = ("Oslo", "Lima", "Pune", "Turin", "Kyoto", "Quito", "Accra", "Perth")

TOOL = "lookup"
"""The one tool that the runs call."""

WARM_UP_RUNS = 20
"""So many runs open the connections and fill the caches before anything is measured."""

WARM_UP_THINK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Workload:
    """Say what is carried; equal workloads give equal plans."""

    runs: int
    """How many runs."""
    rate: float
    """How many arrive in a second, on average; the gaps are exponential, as those of independent users."""
    seed: int
    rounds: int = 1
    """How often a run requires action; 0: never."""
    parallel: int = 1
    """How many tool calls a round holds."""
    median_think_seconds: float = 1.7
    """Half of the spells of thinking are longer; a run has one more spell than rounds."""
    think_spread: float = 0.4
    """The log-normal's sigma: at 0.4 two thirds of the spells lie within a third of the median or so."""

    def at(self, rate: float, runs: int) -> Workload:
        """Give the same workload at another rate, with so many runs."""
        return replace(self, rate=rate, runs=runs)

    def warm(self, runs: int, think_seconds: float) -> Workload:
        """Give a few short runs of the same kind."""
        return replace(self, runs=runs, median_think_seconds=think_seconds)


KINDS: Mapping[str, tuple[int, int]] = {"no tool": (0, 1), "one tool": (1, 1), "three tools": (1, 3)}
"""How often runs of a kind require action, and how many tool calls at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Tell one run."""

    at_seconds: float
    """When it arrives, from the beginning."""
    script: str
    """The user's message, which is also what the run server's model does (`threadrun.testing.script`)."""
    think_seconds: float
    """How long the model thinks in all: the shortest time in which the run can end."""
    answer: str
    """What the model says at the end, if the tools' outputs arrived."""


def plans(workload: Workload) -> tuple[Plan, ...]:
    """Make the runs of a workload, by their arrival."""
    random = Random(workload.seed)
    return tuple(_plan(at, random, workload) for at in _arrivals(random, workload))


def answer_of(city: str) -> str:
    """Answer a tool call; every contender's tool is this function."""
    return f"{city} has {len(city) * 7} trams"


def _arrivals(random: Random, workload: Workload) -> Iterator[float]:
    at_seconds = 0.0
    for _ in range(workload.runs):
        yield at_seconds
        at_seconds += random.expovariate(workload.rate)


def _plan(at_seconds: float, random: Random, workload: Workload) -> Plan:
    spells = [_spell(random, workload) for _ in range(workload.rounds + 1)]
    lines = [f"think {spells[0]}"]
    answer = "No question was asked."
    for spell in spells[1:]:
        cities = [random.choice(CITIES) for _ in range(workload.parallel)]
        lines.append("call " + " and ".join(f"{TOOL} {json.dumps({'city': city})}" for city in cities))
        lines.append(f"think {spell}")
        answer = f"{answer_of(cities[0])}."
    lines.append("say $1." if workload.rounds else f"say {answer}")
    return Plan(at_seconds, "\n".join(lines), round(sum(spells), 3), answer)


def _spell(random: Random, workload: Workload) -> float:
    return round(workload.median_think_seconds * random.lognormvariate(0, workload.think_spread), 3)
