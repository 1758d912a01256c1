"""The rate that a contender sustains: doubled until it does not keep up, then bisected."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from benchmarks.contender import Contender
from benchmarks.measure import Measured, measure
from benchmarks.workload import WARM_UP_RUNS, WARM_UP_THINK_SECONDS, Workload, plans

BURST_SECONDS = 8.0
"""For how long runs arrive at each rate that is tried."""

FIRST_RATE = 16.0

MOST_RATE = 1_024.0
"""Beyond it the run server would be measured."""

PRECISION = 0.1
"""The rate is known within this share of itself."""

WORST_MEAN_SECONDS = 1.0
"""What the mean delay, and the mean wait for creation, stay under where a rate is sustained."""


def keeps_up(measured: Measured) -> bool:
    """Tell whether what happened was seen soon enough, and each run begun soon enough.

    One that begins runs late, because its processes are all taken, sees the end of those that it has at once. Only the
    later half counts: what does not keep up falls behind by and by.
    """
    return all(
        fmean(several[len(several) // 2 :]) < WORST_MEAN_SECONDS
        for several in (measured.delay_seconds, measured.start_seconds)
    )


def search(sustains: Callable[[float], bool], first: float = FIRST_RATE, most: float = MOST_RATE) -> float:
    """Find the highest rate that is sustained, or a little less; 0 where none was found."""
    low, high = 0.0, first
    while high <= most and sustains(high):
        low, high = high, 2 * high
    if high > most:
        return low
    while high - low > PRECISION * high and high > PRECISION:
        middle = (low + high) / 2
        if sustains(middle):
            low = middle
        else:
            high = middle
    return low


def sustained_rate(contender: Contender, workload: Workload, burst_seconds: float = BURST_SECONDS) -> float:
    """Search with one contender: each try is a burst of arrivals with fresh processes, and waits for its last run."""
    warm_up = plans(workload.warm(WARM_UP_RUNS, WARM_UP_THINK_SECONDS))

    def sustains(rate: float) -> bool:
        burst = plans(workload.at(rate, max(10, round(rate * burst_seconds))))
        try:
            return keeps_up(measure(contender, burst, warm_up))
        except RuntimeError:  # under more than it can bear its requests time out, and runs get no answer
            return False

    return search(sustains)
