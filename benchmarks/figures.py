"""From raw numbers to the figures of the table: medians over the rounds, and ratios between contenders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import fmean, median, quantiles

from benchmarks.measure import Measured


@dataclass(frozen=True, slots=True)
class Figures:
    """Tell of a contender what counts."""

    cpu_ms: float
    """CPU milliseconds of a run over all of the contender's processes."""
    requests: float
    """Requests of a run."""
    delay_mean_ms: float
    """Mean time from a change at the server to the first read that showed it."""
    delay_p99_ms: float
    """The same, which one in a hundred exceeds."""
    beyond_thinking_ms: float
    """Mean time of a run from its arrival to its answer, less what the model thought."""
    start_mean_ms: float
    """Mean time from a run's arrival to its creation at the server."""
    peak_mb: float
    """The most memory that its processes held together, in millions of bytes."""
    server_share: float
    """The run server's share of a core; near 1 it would be what is measured."""


def figures(measured: Measured) -> Figures:
    """Condense one round."""
    return Figures(
        cpu_ms=1000 * sum(measured.cpu_seconds.values()) / measured.runs,
        requests=sum(measured.requests.values()) / measured.runs,
        delay_mean_ms=1000 * fmean(measured.delay_seconds),
        delay_p99_ms=1000 * percentile_99(measured.delay_seconds),
        beyond_thinking_ms=1000 * fmean(measured.beyond_thinking_seconds),
        start_mean_ms=1000 * fmean(measured.start_seconds),
        peak_mb=measured.peak_bytes / 1e6,
        server_share=measured.server_cpu_seconds / measured.wall_seconds,
    )


def medians(rounds: Sequence[Figures]) -> Figures:
    """Take the median of each figure."""
    return Figures(*(median(getattr(one, f.name) for one in rounds) for f in fields(Figures)))


def cpu_ratio(peer: Sequence[Figures], ours: Sequence[Figures]) -> float:
    """Tell how many times our CPU a peer needs: the median of the ratios within each round.

    Whatever else the machine did in a round slowed both.
    """
    return median(p.cpu_ms / o.cpu_ms for p, o in zip(peer, ours, strict=True))


def cpu_parts_ms(rounds: Sequence[Measured]) -> dict[str, float]:
    """Tell the median CPU milliseconds of a run in each process tree."""
    return {
        name: median(1000 * one.cpu_seconds[name] / one.runs for one in rounds)
        for name in rounds[0].cpu_seconds
    }


def server_cpu_ms(rounds: Sequence[Measured]) -> float:
    """Tell the run server's median CPU milliseconds of a run, which are nobody's figure."""
    return median(1000 * one.server_cpu_seconds / one.runs for one in rounds)


def percentile_99(values: Sequence[float]) -> float:
    """Give the value that one in a hundred exceeds."""
    return quantiles(values, n=100, method="inclusive")[-1] if len(values) > 1 else values[0]
