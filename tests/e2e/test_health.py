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

SILENCE_SECONDS = 3
"""How long loop and consumer may be silent in this stack."""

QUICK = {
    "THREADRUN_PROFILES__DEFAULT__REQUEST_DEADLINE_SECONDS": "1",
    "THREADRUN_ENGINE__LEASE_SECONDS": "2",
    "THREADRUN_ENGINE__HEARTBEAT_SECONDS": "0.5",
    "THREADRUN_ENGINE__DEAD_AFTER_SECONDS": "1.5",
    "THREADRUN_ENGINE__WATCHDOG_SECONDS": str(SILENCE_SECONDS),
    "THREADRUN_ENGINE__CONSUMER_SILENCE_SECONDS": str(SILENCE_SECONDS),
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, effects_file: Path) -> Iterator[LocalStack]:
    template = tmp_path_factory.mktemp("liveness") / "{kind}.{pid}"
    env = {**QUICK, "THREADRUN_ENGINE__LIVENESS_FILE": str(template), "E2E_EFFECTS_FILE": str(effects_file)}
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE / "sabotage", HERE], env=env) as stack:
        yield stack


def until(reached: Callable[[], bool], timeout: float = 20.0) -> None:
    give_up_at = time.monotonic() + timeout
    while not reached():
        assert time.monotonic() < give_up_at, f"not within {timeout:g} s"
        time.sleep(0.02)


def health(stack: LocalStack, kind: str, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "threadrun.cli", "health", "--kind", kind, *options]
    done = subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def stuck_line(log: str) -> dict[str, str]:
    lines = [json.loads(line) for line in log.splitlines() if '"worker.stuck"' in line]
    (line,) = lines
    return line


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_a_working_worker_is_alive_and_ready(quick: LocalStack, kind: str) -> None:
    assert health(quick, kind, "--max-age", "5")[0] == 0
    assert health(quick, kind, "--ready")[0] == 0


@pytest.mark.parametrize(
    ("sabotage", "what", "where"),
    [(BLOCK_LOOP, "loop", "call_what_blocks"), (BLOCK_MAIN, "consumer", "wait_for_ever")],
)
def test_a_stuck_runs_worker_ends_itself_and_another_carries_its_run(
    quick: LocalStack, sabotage: int, what: str, where: str
) -> None:
    index = next(at for kind, at in quick.workers() if kind == "runs" and quick.running(kind, at))
    run = quick.client.enqueue(
        "asst_demo", messages='think 3\ncall add {"a": 1, "b": 2}\nsay $1', tools=["add"]
    )
    until(lambda: run.get().stage == "poll")

    os.kill(quick.pid("runs", index), sabotage)
    until(lambda: not quick.running("runs", index))

    line = stuck_line(quick.logs("runs", index))
    assert quick.stop("runs", index) == EXIT_STUCK
    assert (line["level"], line["what"]) == ("critical", what)
    assert where in line["stack"]
    code, told = health(quick, "runs")
    assert code == 1, told
    quick.start("runs")
    assert run.wait(30).output_text == "3"


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
    quick: LocalStack, leave: Callable[[EmbeddedRedis], None], return_: Callable[[EmbeddedRedis], None]
) -> None:
    before = running_workers(quick)
    leave(quick.redis)
    try:
        back_at = time.monotonic() + 2.5 * SILENCE_SECONDS
        until(lambda: time.monotonic() > back_at)
        answers = {kind: health(quick, kind, "--max-age", "5") for kind in ("runs", "tools")}
    finally:
        return_(quick.redis)

    assert {kind: code for kind, (code, _) in answers.items()} == {"runs": 0, "tools": 0}, answers
    assert running_workers(quick) == before
    assert len(before) == 2
    assert quick.client.enqueue("asst_demo", messages="say still here").wait(30).output_text == "still here"


def running_workers(stack: LocalStack) -> list[int]:
    return [stack.pid(kind, at) for kind, at in stack.workers() if stack.running(kind, at)]
