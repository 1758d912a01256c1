"""Have a contender carry a workload, and take down what the kernel and the run server saw."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contender import Contender, Started
from benchmarks.cpu import cpu_of, used
from benchmarks.detection import detection_delays
from benchmarks.driver import Ended
from benchmarks.memory import PeakMemory
from benchmarks.workload import Plan


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold all raw numbers of one contender in one round."""

    contender: str
    runs: int
    wall_seconds: float
    """From the first arrival to the last record."""
    cpu_seconds: dict[str, float]
    """Of each of its process trees."""
    server_cpu_seconds: float
    requests: dict[str, int]
    """What the run server was asked, by the names of its effect log."""
    delay_seconds: list[float]
    """From each change that called for something to the first read that showed it."""
    beyond_thinking_seconds: list[float]
    """Of each run, from its arrival to its answer, less what the model thought."""
    late_seconds: list[float]
    """How much later than planned each run was begun."""
    start_seconds: list[float]
    """Of each run, from its arrival to its creation at the run server; it grows where a contender cannot keep up."""
    peak_bytes: int
    """The most memory that all of its processes held together."""
    load_average: float
    """Of the machine in the last minute, at the end."""


def measure(contender: Contender, plans: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
    """Measure one contender, from when it is warm to its last record.

    Raises:
        RuntimeError: A run did not get its answer, so that there is nothing to measure.
    """
    with contender.start() as started:
        _carry(started, warm_up)
        return _watched(contender.name, started, plans)


def _watched(name: str, started: Started, plans: Sequence[Plan]) -> Measured:
    control = started.stack.control
    pids = {**started.pids, "server": started.stack.pid("server")}
    asked_before = control.requests()
    before, began = cpu_of(pids), time.time()
    with PeakMemory(started.pids.values()) as memory:
        ended = _carry(started, plans)
    cpu = used(before, cpu_of(pids))
    wall_seconds = time.time() - began
    effects = control.effects(after=asked_before)
    transitions = {one.run_id: control.transitions(one.run_id) for one in ended}
    created = {one.run_id: one.time for one in effects if one.effect == "run.created"}
    arrivals = [began + plan.at_seconds for plan in plans]
    return Measured(
        contender=name,
        runs=len(plans),
        wall_seconds=wall_seconds,
        server_cpu_seconds=cpu.pop("server"),
        cpu_seconds=cpu,
        requests=dict(Counter(effect.effect for effect in effects)),
        delay_seconds=detection_delays(transitions, effects),
        beyond_thinking_seconds=[
            one.ended_at - at - plan.think_seconds
            for one, at, plan in zip(ended, arrivals, plans, strict=True)
        ],
        late_seconds=[one.began_at - at for one, at in zip(ended, arrivals, strict=True)],
        start_seconds=[created[one.run_id] - at for one, at in zip(ended, arrivals, strict=True)],
        peak_bytes=memory.peak_bytes,
        load_average=os.getloadavg()[0],
    )


def _carry(started: Started, plans: Sequence[Plan]) -> list[Ended]:
    ended = started.driver.carry(plans)
    for one, plan in zip(ended, plans, strict=True):
        if one.text != plan.answer:
            raise RuntimeError(f"{one.run_id or 'a run'} answered {one.text!r} instead of {plan.answer!r}")
    return ended
