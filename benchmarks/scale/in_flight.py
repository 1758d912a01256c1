"""One `runs` process with many runs in flight, all of which think for longer than the measurement takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.cpu import cpu_of, used
from benchmarks.driver import ROOT
from benchmarks.figures import percentile_99
from benchmarks.memory import held_bytes as process_bytes
from benchmarks.scale.agenda_lag import claim_lags_ms
from benchmarks.scale.redis_stats import connect, held_bytes
from threadrun import RunClient
from threadrun.keys import Keys
from threadrun.status import RunStatus, Stage
from threadrun.testing import LocalStack

POLLS_PER_SECOND = 200.0
"""What the polls of all runs together are kept to, so that every level asks the provider for the same."""

SHORTEST_SECONDS = 5.0
"""Few runs are not looked at more often than this."""

THINK_SECONDS = 14_400
"""Longer than any level takes."""

BATCH = 1_000
"""How many runs `enqueue_many` takes at first; they begin as fast as can be, the others at the pace of the polls."""

PACED_BATCH = 100
"""How many of those come at a time; so the polls, each an interval after a beginning, are as evenly spread."""

CREATE_SECONDS = 1_800.0
"""How long it may take until all runs are in flight, and again until each was seen at work."""

SETTLE_SECONDS = 5.0
"""What came of that has gone by then."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """Tell what so many runs in flight take."""

    runs: int
    interval_seconds: float
    """How often each is looked at."""
    enqueued_per_second: float
    """By `enqueue_many`, while no worker ran."""
    started_per_second: float
    """Created at the provider by one worker: thread, run, records."""
    process_mb: float
    """The `runs` process, once all are in flight."""
    growth_mb: float
    """By how much it grew while it was watched."""
    redis_bytes_per_run: float
    polls_per_second: float
    worker_cpu_ms_per_poll: float
    redis_cpu_ms_per_poll: float
    worker_share: float
    """Of one core."""
    lag_mean_ms: float
    """From when a run was due to its claim."""
    lag_p99_ms: float
    server_share: float
    server_mb: float
    """The run server with all of it."""


def hold(runs: int, watch_seconds: float) -> InFlight:
    """Bring so many runs in flight, then watch.

    Raises:
        TimeoutError: They were not all in flight in time.
    """
    interval_seconds = max(SHORTEST_SECONDS, runs / POLLS_PER_SECOND)
    profile = "THREADRUN_PROFILES__DEFAULT__POLL__"
    env = {f"{profile}POLICY": "fixed", f"{profile}FIXED_SECONDS": str(interval_seconds)}
    life = ["--expire-seconds", str(THINK_SECONDS), "--forget-after-seconds", "60"]
    with LocalStack(checkout=ROOT, env=env, server_arguments=life, runs_workers=0, tools_workers=0) as stack:
        client, keys = connect(stack.redis_url), Keys()
        agenda = keys.agenda(Stage.POLL, "default")
        empty = held_bytes(client, keys)
        enqueue_seconds = _enqueue(stack.client, BATCH)
        stack.start("runs")
        start_seconds = _await_all(client, agenda, BATCH)
        _enqueue_paced(stack.client, runs - BATCH)
        _await_all(client, agenda, runs)
        # The first look shows a run at work, which is written; only the next ones find it unchanged.
        _await_all(client, keys.index_status(RunStatus.IN_PROGRESS), runs)
        time.sleep(SETTLE_SECONDS)
        grown = held_bytes(client, keys) - empty
        return _watch(
            stack, client, runs, interval_seconds, watch_seconds, enqueue_seconds, start_seconds, grown
        )


ASKED = {
    "assistant_id": "asst_demo",
    "messages": f"think {THINK_SECONDS}\nsay Done.",
    "deadline_seconds": THINK_SECONDS,
}


def _enqueue(client: RunClient, runs: int) -> float:
    """Enqueue runs at once, and tell how long that took."""
    began = time.monotonic()
    client.enqueue_many([ASKED] * runs)
    return time.monotonic() - began


def _enqueue_paced(client: RunClient, runs: int) -> None:
    began = time.monotonic()
    for first in range(0, runs, PACED_BATCH):
        time.sleep(max(0.0, began + first / POLLS_PER_SECOND - time.monotonic()))
        client.enqueue_many([ASKED] * min(PACED_BATCH, runs - first))


def _await_all(client: Any, place: str, runs: int) -> float:
    """Wait until all stand in an agenda or index, and tell how long that took."""
    began = time.monotonic()
    while client.zcard(place) < runs:
        if time.monotonic() - began > CREATE_SECONDS:
            raise TimeoutError(
                f"{client.zcard(place)} of {runs} runs are in {place} after {CREATE_SECONDS:g} s"
            )
        time.sleep(0.5)
    return time.monotonic() - began


def _watch(
    stack: LocalStack,
    client: Any,
    runs: int,
    interval_seconds: float,
    watch_seconds: float,
    enqueue_seconds: float,
    start_seconds: float,
    grown: int,
) -> InFlight:
    pids = {"runs": stack.pid("runs"), "redis": stack.redis.pid, "server": stack.pid("server")}
    memory_before, asked = process_bytes(pids["runs"]), stack.control.requests()
    before, began = cpu_of(pids), time.monotonic()
    time.sleep(watch_seconds)
    cpu, seconds = used(before, cpu_of(pids)), time.monotonic() - began
    polls = max(1, stack.control.requests() - asked)
    memory = process_bytes(pids["runs"])
    late = _claimed_late(stack, client, watch_seconds / 2)
    return InFlight(
        runs=runs,
        interval_seconds=interval_seconds,
        enqueued_per_second=BATCH / enqueue_seconds,
        started_per_second=BATCH / start_seconds,
        process_mb=memory / 1e6,
        growth_mb=(memory - memory_before) / 1e6,
        redis_bytes_per_run=grown / runs,
        polls_per_second=polls / seconds,
        worker_cpu_ms_per_poll=1000 * cpu["runs"] / polls,
        redis_cpu_ms_per_poll=1000 * cpu["redis"] / polls,
        worker_share=cpu["runs"] / seconds,
        lag_mean_ms=fmean(late),
        lag_p99_ms=percentile_99(late),
        server_share=cpu["server"] / seconds,
        server_mb=process_bytes(pids["server"]) / 1e6,
    )


def _claimed_late(stack: LocalStack, client: Any, seconds: float) -> list[float]:
    """Tell how late each run was claimed; one that no sample saw due was claimed at once."""
    asked = stack.control.requests()
    late = claim_lags_ms(client, Keys().agenda(Stage.POLL, "default"), seconds)
    at_once = max(1, stack.control.requests() - asked - len(late))
    return late + [0.0] * at_once
