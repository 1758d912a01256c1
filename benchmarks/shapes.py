"""How long a model thinks: the shapes of durations over which polling policies are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

LONGEST_SECONDS = 600.0
"""No spell is longer; a run has expired by then."""


def short(random: Random) -> float:
    """One mode at 1.7 s, as in the benchmark's runs."""
    return 1.7 * random.lognormvariate(0, 0.4)


def one_mode(random: Random) -> float:
    """One mode at 6 s: answers of about the same length."""
    return 6.0 * random.lognormvariate(0, 0.4)


def two_modes(random: Random) -> float:
    """Seven of ten take 2 s, three take 20 s: some look something up, some reason."""
    return (2.0 if random.random() < 0.7 else 20.0) * random.lognormvariate(0, 0.3)


def dead_time(random: Random) -> float:
    """Nothing ends within 8 s, then any moment is as good as another, 3 s on average."""
    return 8.0 + random.expovariate(1 / 3.0)


def heavy_tail(random: Random) -> float:
    """Most take 1 s to 3 s, few take minutes, and those take most of the time."""
    return random.paretovariate(1.2)


SHAPES: Mapping[str, Callable[[Random], float]] = {
    "short": short,
    "one mode": one_mode,
    "two modes": two_modes,
    "dead time": dead_time,
    "heavy tail": heavy_tail,
}
"""All of them, by the name that the table gives."""


def durations(shape: str, count: int, seed: int) -> list[float]:
    """Draw so many durations of a shape; the same ones for the same seed."""
    random = Random(f"{shape}:{seed}")
    return [min(LONGEST_SECONDS, SHAPES[shape](random)) for _ in range(count)]
