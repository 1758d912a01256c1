"""A Celery worker whose task blocks on the openai client: prefork, a child for each run under way.

As a program it is the web app beside it, which sends a task for each run when it arrives and gets each result.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.contender import Started
from benchmarks.driver import ROOT, Driver, Ended, serve
from benchmarks.peers.celery_task import REDIS_URL, SERVER_URL, carry
from benchmarks.workload import Plan
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess

CHILDREN = 16
"""So many runs can be under way. Each child holds 80 MB of its own: all together more than 1 GB."""

START_SECONDS = 60.0
END_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CeleryBlocking:
    """Carry runs in the children of one Celery worker."""

    name: str = "Celery + OpenAI"

    @contextmanager
    def start(self) -> Iterator[Started]:
        """Start Redis, run server, the worker and the sending process."""
        with LocalStack(runs_workers=0, tools_workers=0) as stack:
            # Celery's spelling of a socket's URL.
            redis_url = stack.redis_url.replace("unix://", "redis+socket://", 1)
            env = {**os.environ, REDIS_URL: redis_url, SERVER_URL: stack.server_url}
            command = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery_task", "worker"]
            options = ["-P", "prefork", "-c", str(CHILDREN), "--loglevel", "INFO"]
            worker = GuardedProcess([*command, *options], log=stack.folder / "celery.log", env=env, cwd=ROOT)
            try:
                worker.wait_until(lambda: "ready." in worker.log_text() or None, START_SECONDS)
                with Driver("benchmarks.peers.celery_blocking", stack.server_url, env) as driver:
                    pids = {"redis": stack.redis.pid, "worker": worker.pid, "client": driver.pid}
                    yield Started(stack, driver, pids)
            finally:
                worker.close()


def send(plans: Sequence[Plan]) -> list[Ended]:
    """Send a task for each run at its time, then get the results."""
    start = time.monotonic()
    sent = []
    for plan in plans:
        time.sleep(max(0.0, start + plan.at_seconds - time.monotonic()))
        sent.append(carry.delay(plan.script, time.time()))
    return [Ended(**result.get(timeout=END_SECONDS)) for result in sent]


if __name__ == "__main__":
    serve(send)
