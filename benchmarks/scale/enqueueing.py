"""What enqueuing costs a web app: its own CPU, round trips, and how many a second go at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from redis.connection import AbstractConnection

from benchmarks.driver import ROOT
from benchmarks.workload import TOOL
from threadrun import RunClient, RunHandle
from threadrun.testing import LocalStack

TIMES = 1_000
MANY = 20_000
BATCH = 1_000
MESSAGE = "think 1.7\nsay Done."


@dataclass(frozen=True, slots=True)
class Enqueueing:
    """Tell it of one call."""

    cpu_ms: float
    """Of the caller."""
    round_trips: float
    """Times that something was sent to Redis."""
    many_per_second: float
    """Enqueued through `enqueue_many` by one caller."""
    many_cpu_ms: float
    """Of the caller, for each run of `enqueue_many`."""


def enqueueing() -> Enqueueing:
    """Enqueue, with nobody there to carry."""
    with LocalStack(["benchmarks.handlers"], checkout=ROOT) as stack:
        for kind in ("runs", "tools"):  # what they served is known, as in any deployment
            stack.stop(kind)
        client = stack.client
        _one(client)  # connects, and brings the script
        sent = _Sends()
        with sent:
            _one(client)
        cpu, _ = _timed(lambda: [_one(client) for _ in range(TIMES)])
        requests = [{"assistant_id": "asst_demo", "messages": MESSAGE, "tools": [TOOL]}] * BATCH
        many_cpu, many_wall = _timed(lambda: [client.enqueue_many(requests) for _ in range(MANY // BATCH)])
    return Enqueueing(
        cpu_ms=1000 * cpu / TIMES,
        round_trips=sent.count,
        many_per_second=MANY / many_wall,
        many_cpu_ms=1000 * many_cpu / MANY,
    )


class _Sends:
    """Count what redis-py sends while a `with` lasts; a pipeline is sent once."""

    def __init__(self) -> None:
        self.count = 0
        self._patch = patch.object(
            AbstractConnection, "send_packed_command", self._counted(AbstractConnection.send_packed_command)
        )

    def __enter__(self) -> None:
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def _counted(self, send: Callable[..., None]) -> Callable[..., None]:
        def counting(*arguments: Any, **named: Any) -> None:
            self.count += 1
            send(*arguments, **named)

        return counting


def _one(client: RunClient) -> RunHandle:
    return client.enqueue("asst_demo", messages=MESSAGE, tools=[TOOL])


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall
