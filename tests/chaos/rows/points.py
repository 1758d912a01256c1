"""Die before and after each I/O of one run of each kind; what the points are, the runs themselves have shown."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.figures import Figures, Size
from tests.simulation.every_io import every_io, seen_io
from tests.simulation.every_point import Life, live
from tests.simulation.kinds import KINDS
from tests.simulation.real_deaths import Site, run_server
from tests.simulation.seam import Point
from tests.simulation.swift_redis import swift_redis
from tests.simulation.turned_time import quiet
from threadrun.testing.embedded_redis import EmbeddedRedis

REAL_DEATHS: dict[Size, int] = {"full": 40, "small": 3}
SAMPLE = 250
"""How many points the small size tries, drawn from all."""

PROCESSES = 2

Deadly = tuple[str, Point]
"""A kind of run and where it dies."""


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    figures = Figures(load=f"{len(KINDS)} kinds of runs", nemesis="a crash before and after each I/O")
    draw = random.Random(seed)
    with quiet(), EmbeddedRedis() as redis, run_server(folder) as server_url:
        site = Site(redis.url, server_url, folder)
        every = list(_undisturbed(figures, site))
        tried = every if size == "full" else draw.sample(every, SAMPLE)
        _try(figures, tried, _in_processes(site, tried), "points")
        drawn = draw.sample([at for at in every if not KINDS[at[0]].dies_at], REAL_DEATHS[size])
        _try(figures, drawn, (site.die_once(kind, at) for kind, at in drawn), "real deaths")
    return figures


def _undisturbed(figures: Figures, site: Site) -> Iterator[Deadly]:
    """Let each kind live undisturbed; gives every place to die at."""
    redis, steps = swift_redis(site.redis_url), set[str]()
    for kind in KINDS:
        life = live(redis, kind)
        _note(figures, f"{kind}, undisturbed", life)
        steps |= {name for name, _ in life.points}
        yield from ((kind, point) for point in life.points)
    redis.close()
    missing = sorted(every_io() - seen_io(steps))
    figures.demand("kinds of I/O", len(seen_io(steps)), at_least=len(every_io()))
    if missing:
        figures.fail(f"no kind in tests/simulation/kinds.py has this I/O; add one: {missing}")


def _try(figures: Figures, deadly: list[Deadly], lives: Iterable[Life], name: str) -> None:
    died = right = 0
    for (kind, point), life in zip(deadly, lives, strict=True):
        died += bool(life.deaths) and point in life.points
        right += not life.faults
        _note(figures, f"{kind}, {name}, {point}", life)
    figures.demand(f"{name} tried", died, exactly=len(deadly))
    figures.demand(f"{name} that ended right, per cent", 100 * right / len(deadly), exactly=100)


def _note(figures: Figures, where: str, life: Life) -> None:
    if life.faults and len(figures.failures) < 50:
        figures.fail(f"{where}: {life.faults}")


def _in_processes(site: Site, deadly: list[Deadly]) -> Iterator[Life]:
    with ProcessPoolExecutor(
        PROCESSES, get_context("spawn"), initializer=_begin, initargs=(site.redis_url,)
    ) as pool:
        yield from pool.map(_live, deadly, chunksize=20)


def _begin(redis_url: str) -> None:
    global _redis  # noqa: PLW0603 - the one connection of this process of the pool
    _redis = swift_redis(redis_url)


def _live(deadly: Deadly) -> Life:
    kind, point = deadly
    with quiet():
        try:
            return live(_redis, kind, point)
        except Exception as error:
            return Life([point], [f"{type(error).__name__}: {error}"])
