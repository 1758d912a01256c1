"""Set Redis's clock in the middle of runs, and host clocks all the time; no run ends before its time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from redis import Redis

from tests.chaos.crew import ROOT
from tests.chaos.figures import Figures, Size
from tests.simulation.every_point import live
from tests.simulation.kinds import ADD, THREAD, Kind
from tests.simulation.swift_redis import swift_redis
from tests.simulation.turned_time import quiet
from threadrun.records import RunRecord
from threadrun.status import Outcome, Stage
from threadrun.testing import EmbeddedRedis, LocalStack

HOUR_SECONDS = 3_600
JUMPS = (HOUR_SECONDS, -HOUR_SECONDS, 30, -30)
HOST_CLOCKS = {"runs0": HOUR_SECONDS, "runs1": -HOUR_SECONDS, "tools0": -HOUR_SECONDS, "tools1": HOUR_SECONDS}
RUNS: dict[Size, int] = {"full": 200, "small": 12}
WAIT_SECONDS = 120.0

CARRIED = Kind(['call add {"a": 1, "b": 2} and look {}; then call add {"a": 1, "b": 2}; say $1'])
"""Carried through every stage but two."""

AT_EVERY_IO = Kind([ADD], passed_seconds=HOUR_SECONDS)
"""What is written by the wrong time, until the next tick, may tell it; nothing is decided by it."""

FIRST_READING = ("script due after", 1)

EVERY: dict[Size, int] = {"full": 1, "small": 8}
"""At every how-manieth I/O of a run Redis's clock is set."""

KINDS = {
    **dict.fromkeys([Stage.CREATE, Stage.POLL, Stage.TOOLS, Stage.SUBMIT, Stage.FINALIZE], CARRIED),
    Stage.WAITING: Kind([ADD, ADD], options={"thread_id": THREAD}),
    Stage.CANCEL: Kind(["cancel_takes 5; think 300; say x"], frozenset({"cancelled"}), cancel_in=Stage.POLL),
}
"""In which kind of run to find each stage."""


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    figures = Figures(
        load=f"a run in each stage, one at its every I/O, 50 at once, and {RUNS[size]} of real workers",
        nemesis="Redis's clock set by ±1 h and ±30 s; host clocks ±1 h",
    )
    with quiet():
        _set_redis(figures, EVERY[size])
    _set_hosts(figures, RUNS[size])
    return figures


def _set_redis(figures: Figures, every: int) -> None:
    tried = 0
    with EmbeddedRedis() as server:
        redis = swift_redis(server.url)
        many = Kind(["think 20; " + ADD] * 50, options={"deadline_seconds": 300})
        for stage, kind in [*KINDS.items(), (Stage.POLL, many)]:
            for seconds in JUMPS:
                life = live(redis, kind.set_in(stage, seconds))
                tried += 1
                if life.faults:
                    figures.fail(f"Redis's clock set by {seconds} s in {stage}: {life.faults[:5]}")
        _set_at_every_io(figures, redis, every)
        redis.close()
    figures.demand("jumps of Redis's clock", tried, exactly=(len(KINDS) + 1) * len(JUMPS))


def _set_at_every_io(figures: Figures, redis: Redis, every: int) -> None:
    points = live(redis, AT_EVERY_IO).points
    seen = points.index(FIRST_READING)  # what happened to the clock before, nobody can know
    ways = [(at, HOUR_SECONDS) for at in points[seen::every]] + [
        (at, -HOUR_SECONDS) for at in points[::every]
    ]
    wrong = 0
    for at, seconds in ways:
        if life := live(redis, AT_EVERY_IO, at, jump_seconds=seconds).faults:
            wrong += 1
            figures.fail(f"Redis's clock set by {seconds} s at {at}: {life[:5]}")
    figures.demand("jumps at an I/O", len(ways), at_least=2 * len(points) // every - seen)
    figures.demand("of them wrong", wrong, exactly=0)


def _set_hosts(figures: Figures, count: int) -> None:
    env = {"CHAOS_HOST_CLOCKS": json.dumps(HOST_CLOCKS), "THREADRUN_LOG__FORMAT": "json"}
    with LocalStack(
        ["tests.chaos.handlers"],
        checkout=ROOT,
        paths=[Path(__file__).parents[1] / "host_clocks"],
        runs_workers=2,
        tools_workers=2,
        env={**env, "CHAOS_EFFECTS_FILE": "/dev/null"},
    ) as stack:
        script = 'think 0.1; call charge {"seconds": 0.05}; say $1'
        handles = [stack.client.enqueue("asst_demo", messages=script, tools=["charge"]) for _ in range(count)]
        give_up_at = time.monotonic() + WAIT_SECONDS
        records = [handle.wait(max(0.1, give_up_at - time.monotonic())) for handle in handles]
        for node, seconds in HOST_CLOCKS.items():
            figures.demand(f"{node} off by", _off(stack.logs(node[:-1], int(node[-1]))), exactly=seconds)
    _judge(figures, records)


def _off(log: str) -> int:
    """Tell by how much a worker's lines are off, to the minute."""
    line = next(line for line in log.splitlines() if '"timestamp"' in line)
    seconds = (datetime.fromisoformat(json.loads(line)["timestamp"]) - datetime.now(UTC)).total_seconds()
    return HOUR_SECONDS * round(seconds / HOUR_SECONDS)


def _judge(figures: Figures, records: Iterable[RunRecord]) -> None:
    records = list(records)
    outcomes = Counter(record.outcome for record in records)
    figures.demand("completed under wrong host clocks", outcomes[Outcome.COMPLETED], exactly=len(records))
    kinds = Counter(call.kind for record in records for call in record.tool_calls)
    figures.demand("calls that ended otherwise than ok", kinds.total() - kinds["ok"], exactly=0)
    back = sum(a.at > b.at for record in records for a, b in pairwise(record.transitions))
    figures.demand("negative durations", back, exactly=0)
    seconds = [(r.finished_at - r.created_at).total_seconds() for r in records if r.finished_at]
    figures.demand("longest run, seconds", max(seconds), at_most=WAIT_SECONDS)
