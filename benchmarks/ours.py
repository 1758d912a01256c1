"""threadrun as its users run it: Redis, a `runs` worker, a `tools` worker, and a process that enqueues.

As a program (`python -m benchmarks.ours`) it is that last process: a web app that enqueues each run when it arrives,
and reads each record once when it is final.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from benchmarks.contender import Started
from benchmarks.driver import ROOT, Driver, Ended, serve
from benchmarks.workload import TOOL, Plan
from config.profile import PollSettings
from threadrun import RunClient, RunHandle
from threadrun.testing import LocalStack

END_SECONDS = 120.0
"""How long a run may take; far longer than any of the workload."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Carry runs with threadrun's workers."""

    name: str = "threadrun"
    env: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the workers; none: the defaults."""

    @property
    def settings(self) -> dict[str, str]:
        """Give all settings; tests poll more often than the default, a benchmark does not."""
        first_seconds = str(PollSettings().first_seconds)
        return {"THREADRUN_PROFILES__DEFAULT__POLL__FIRST_SECONDS": first_seconds, **self.env}

    @contextmanager
    def start(self) -> Iterator[Started]:
        """Start Redis, run server, both workers and the enqueuing process."""
        with (
            LocalStack(["benchmarks.handlers"], checkout=ROOT, env=self.settings) as stack,
            Driver("benchmarks.ours", stack.server_url, stack.env) as driver,
        ):
            pids = {
                "redis": stack.redis.pid,
                "runs": stack.pid("runs"),
                "tools": stack.pid("tools"),
                "client": driver.pid,
            }
            yield Started(stack, driver, pids)


def carry(client: RunClient, plans: Sequence[Plan]) -> list[Ended]:
    """Enqueue each run at its time, then read each record once it is final."""
    start = time.monotonic()
    enqueued = [_enqueue(client, start, plan) for plan in plans]
    return [_read(handle, began_at) for handle, began_at in enqueued]


def _enqueue(client: RunClient, start: float, plan: Plan) -> tuple[RunHandle, float]:
    time.sleep(max(0.0, start + plan.at_seconds - time.monotonic()))
    began_at = time.time()
    return client.enqueue("asst_demo", messages=plan.script, tools=[TOOL]), began_at


def _read(handle: RunHandle, began_at: float) -> Ended:
    record = handle.wait(END_SECONDS)
    ended_at = record.finished_at.timestamp() if record.finished_at else 0.0
    return Ended(record.run_id or "", began_at, ended_at, record.output_text)


if __name__ == "__main__":
    # The workers know the server; this process knows only Redis.
    serve(partial(carry, RunClient.from_env()))
