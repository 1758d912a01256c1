"""The tables for people, and the part of the document that tells of the contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.aligned import aligned
from benchmarks.bars import Bar
from benchmarks.figures import Figures, cpu_parts_ms, cpu_ratio, figures, medians, server_cpu_ms
from benchmarks.measure import Measured

Rounds = Mapping[str, Sequence[Measured]]
"""Of each contender, ours first, what was measured in each round."""

BOTTLENECK_SHARE = 0.7
"""A run server that is busier than this may be what is measured."""

_HEADINGS = (
    "",
    "at runs/s",
    "CPU ms/run",
    "sustained runs/s",
    "requests/run",
    "delay mean ms",
    "p99 ms",
    "start mean ms",
    "beyond thinking ms",
    "peak MB",
    "server's core",
)


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what was found of all contenders over one kind of runs."""

    rounds: Rounds
    rates: Mapping[str, float] = field(default_factory=dict)
    """How many runs arrived in a second."""
    sustained: Mapping[str, float] = field(default_factory=dict)
    """The highest rate that each kept up with; empty: it was not searched for."""

    @property
    def figures(self) -> dict[str, Figures]:
        """Give the medians of each contender."""
        return {name: medians([figures(one) for one in several]) for name, several in self.rounds.items()}

    def ratio(self, peer: str) -> float:
        """Tell how many times our CPU a peer needs for a run."""
        ours = next(iter(self.rounds))
        return cpu_ratio(
            [figures(one) for one in self.rounds[peer]], [figures(one) for one in self.rounds[ours]]
        )


def table(result: Result) -> str:
    """Draw the figures, where the CPU went, and how the others compare with ours."""
    found = result.figures
    lines = aligned([_HEADINGS, *(_row(name, one, result) for name, one in found.items())])
    for name, several in result.rounds.items():
        parts = {**cpu_parts_ms(several), "beside it the run server": server_cpu_ms(several)}
        told = ", ".join(f"{part} {ms:.2f}" for part, ms in parts.items())
        lines.append(f"CPU ms/run of {name}: {told}")
    ours, *peers = result.rounds
    lines += [_comparison(peer, ours, found, result) for peer in peers]
    lines += [
        f"Beware: the run server was busy for {one.server_share:.0%} of the time with {name}."
        for name, one in found.items()
        if one.server_share > BOTTLENECK_SHARE
    ]
    return "\n".join(lines)


def section(result: Result) -> dict[str, Any]:
    """Give every figure, of each round too."""
    _, *peers = result.rounds
    return {
        "rates": dict(result.rates),
        "sustained": dict(result.sustained),
        "figures": {name: asdict(one) for name, one in result.figures.items()},
        "cpu_parts_ms": {name: cpu_parts_ms(several) for name, several in result.rounds.items()},
        "server_cpu_ms": {name: server_cpu_ms(several) for name, several in result.rounds.items()},
        "cpu_ratios": {peer: result.ratio(peer) for peer in peers},
        "rounds": {
            name: [asdict(figures(one)) | {"load_average": one.load_average} for one in several]
            for name, several in result.rounds.items()
        },
    }


def bar_table(bars: Sequence[Bar]) -> str:
    """Draw the bars, and whether each is met."""
    rows = [(bar.figure, bar.reached or "—", bar.wanted, bar.verdict) for bar in bars]
    return "\n".join(aligned([("", "reached", "bar", ""), *rows]))


def _row(name: str, one: Figures, result: Result) -> tuple[str, ...]:
    return (
        name,
        _rate(result.rates, name),
        f"{one.cpu_ms:.2f}",
        _rate(result.sustained, name),
        f"{one.requests:.1f}",
        f"{one.delay_mean_ms:.0f}",
        f"{one.delay_p99_ms:.0f}",
        f"{one.start_mean_ms:.0f}",
        f"{one.beyond_thinking_ms:.0f}",
        f"{one.peak_mb:.0f}",
        f"{one.server_share:.0%}",
    )


def _rate(rates: Mapping[str, float], name: str) -> str:
    return f"{rates[name]:.3g}" if name in rates else "—"


def _comparison(peer: str, ours: str, found: Mapping[str, Figures], result: Result) -> str:
    theirs, own = found[peer], found[ours]
    return (
        f"{peer} needs {result.ratio(peer):.2f} times the CPU of {ours} for a run, "
        f"{theirs.requests / own.requests:.2f} times its requests "
        f"and {theirs.delay_mean_ms / own.delay_mean_ms:.2f} times its mean delay."
    )
