"""A stuck worker ends itself and is seen to be stuck; one that waits for Redis is neither."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, ROOT
from threadrun.testing import EmbeddedRedis, LocalStack

EXIT_STUCK = 70
BLOCK_LOOP, BLOCK_MAIN = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
"""What sabotage/sitecustomize.py listens to inside the workers."""

LOOP_SECONDS, CONSUMER_SECONDS = 3, 12
"""How long loop and consumer may be silent in this stack."""

OUTAGE_SECONDS = 7

QUICK = {
    "THREADRUN_PROFILES__DEFAULT__REQUEST_DEADLINE_SECONDS": "1",
    "THREADRUN_ENGINE__LEASE_SECONDS": "2",
    "THREADRUN_ENGINE__HEARTBEAT_SECONDS": "0.5",
    "THREADRUN_ENGINE__DEAD_AFTER_SECONDS": "1.5",
    "THREADRUN_ENGINE__WATCHDOG_SECONDS": str(LOOP_SECONDS),
    "THREADRUN_ENGINE__CONSUMER_SILENCE_SECONDS": str(CONSUMER_SECONDS),
}


class Crew:
    """A stack whose `runs` workers come and go."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.client = stack.client
        self.runs = [0]

    def add(self) -> int:
        """Start one more `runs` worker; gives its index."""
        self.runs.append(self.stack.start("runs"))
        return self.runs[-1]

    def all_run(self) -> bool:
        return all(self.stack.running("runs", at) for at in self.runs) and self.stack.running("tools")

    def health(self, kind: str, *options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "threadrun.cli", "health", "--kind", kind, *options]
        done = subprocess.run(
            command, env=self.stack.env, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, effects_file: Path) -> Iterator[Crew]:
    template = tmp_path_factory.mktemp("liveness") / "{kind}.{pid}"
    env = {**QUICK, "THREADRUN_ENGINE__LIVENESS_FILE": str(template), "E2E_EFFECTS_FILE": str(effects_file)}
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE / "sabotage", HERE], env=env) as stack:
        yield Crew(stack)


def until(reached: Callable[[], bool], timeout: float = 60.0) -> None:
    give_up_at = time.monotonic() + timeout
    while not reached():
        assert time.monotonic() < give_up_at, f"not within {timeout:g} s"
        time.sleep(0.02)


def stuck_line(log: str) -> dict[str, str]:
    lines = [json.loads(line) for line in log.splitlines() if '"worker.stuck"' in line]
    (line,) = lines
    return line


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_a_working_worker_is_alive_and_ready(quick: Crew, kind: str) -> None:
    assert quick.health(kind, "--max-age", "5")[0] == 0
    assert quick.health(kind, "--ready")[0] == 0


def test_stuck_runs_workers_end_themselves_and_another_carries_their_runs(quick: Crew) -> None:
    stuck = {"loop": (quick.runs[0], BLOCK_LOOP), "consumer": (quick.add(), BLOCK_MAIN)}
    text = 'think 3\ncall add {"a": 1, "b": 2}\nsay $1'
    run = quick.client.enqueue("asst_demo", messages=text, tools=["add"])
    until(lambda: run.get().stage == "poll")

    for at, sabotage in stuck.values():
        os.kill(quick.stack.pid("runs", at), sabotage)
    until(lambda: not any(quick.stack.running("runs", at) for at in quick.runs))
    alive, told = quick.health("runs")
    quick.runs.clear()
    quick.add()

    assert alive == 1, told
    assert run.wait(30).output_text == "3"
    assert {quick.stack.stop("runs", at) for at, _ in stuck.values()} == {EXIT_STUCK}
    lines = {what: stuck_line(quick.stack.logs("runs", at)) for what, (at, _) in stuck.items()}
    assert [(line["level"], line["what"]) for line in lines.values()] == [
        ("critical", "loop"),
        ("critical", "consumer"),
    ]
    assert "call_what_blocks" in lines["loop"]["stack"]
    assert "wait_for_ever" in lines["consumer"]["stack"]


def hang(redis: EmbeddedRedis) -> None:
    os.kill(redis.pid, signal.SIGSTOP)


def go_on(redis: EmbeddedRedis) -> None:
    os.kill(redis.pid, signal.SIGCONT)


def crash(redis: EmbeddedRedis) -> None:
    os.kill(redis.pid, signal.SIGKILL)


def come_back(redis: EmbeddedRedis) -> None:
    redis.restart()


@pytest.mark.parametrize(("leave", "return_"), [(hang, go_on), (crash, come_back)], ids=["hangs", "is down"])
def test_a_redis_that_is_away_is_waited_for_and_no_worker_looks_stuck(
    quick: Crew, leave: Callable[[EmbeddedRedis], None], return_: Callable[[EmbeddedRedis], None]
) -> None:
    assert quick.all_run()
    leave(quick.stack.redis)
    try:
        back_at = time.monotonic() + OUTAGE_SECONDS
        until(lambda: time.monotonic() > back_at)
        answers = {kind: quick.health(kind, "--max-age", "5") for kind in ("runs", "tools")}
    finally:
        return_(quick.stack.redis)

    assert {kind: code for kind, (code, _) in answers.items()} == {"runs": 0, "tools": 0}, answers
    assert quick.client.enqueue("asst_demo", messages="say still here").wait(30).output_text == "still here"
    assert quick.all_run()
