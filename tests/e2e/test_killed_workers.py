"""A worker killed in the middle of its runs costs time, but no record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, ROOT, Effects
from threadrun import Outcome, RunHandle, Stage
from threadrun.testing import LocalStack

PATIENCE_SECONDS = 40

QUICK_TO_NOTICE = {
    "THREADRUN_PROFILES__DEFAULT__REQUEST_DEADLINE_SECONDS": "2",
    "THREADRUN_ENGINE__LEASE_SECONDS": "3",
    "THREADRUN_ENGINE__HEARTBEAT_SECONDS": "0.5",
    "THREADRUN_ENGINE__DEAD_AFTER_SECONDS": "2",
    "THREADRUN_ENGINE__TOOLS_LOOK_SECONDS": "0.5",
}

SCRIPTS = {
    "thinks": ("think 3\nsay thought", "thought"),
    "adds": ('think 1; call add {"a": 1, "b": 2}\nsay $1', "3"),
    "waits": ('call slow_idempotent {"seconds": 2}\nsay $1', "took 2 s"),
}


@pytest.fixture
def stack(effects_file: Path) -> Iterator[LocalStack]:
    """Give a stack of this test's own, whose workers are taken for dead sooner."""
    env = {"E2E_EFFECTS_FILE": str(effects_file), **QUICK_TO_NOTICE}
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE], env=env) as started:
        yield started


def enqueue_all(stack: LocalStack, killed: str) -> list[RunHandle]:
    """Enqueue two runs of each script; a key tells which worker is killed, which script, and which of both."""
    return [
        stack.client.enqueue(
            "asst_demo",
            messages=script,
            tools=["add", "slow_idempotent"],
            idempotency_key=f"{killed}:{name}:{number}",
        )
        for number in range(2)
        for name, (script, _) in SCRIPTS.items()
    ]


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come to be"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_every_run_ends_right_when_a_worker_is_killed_and_started_again(
    kind: str, stack: LocalStack, effects: Effects
) -> None:
    handles = enqueue_all(stack, kind)
    thinks, _, waits = handles[:3]
    wait_until(lambda: bool(effects(waits.key)) and thinks.get().stage is Stage.POLL)
    stack.kill(kind)
    stack.start(kind)
    records = [handle.wait(PATIENCE_SECONDS) for handle in handles]

    for record in records:
        assert (record.outcome, record.output_text) == (
            Outcome.COMPLETED,
            SCRIPTS[record.key.split(":")[1]][1],
        )
        assert [event.seq for event in record.transitions] == list(range(1, len(record.transitions) + 1))
        assert [call.kind for call in record.tool_calls] == ["ok"] * len(record.tool_calls)
        assert record.missing == ()
        assert len(stack.control.effects("run.created", run_key=record.key)) == 1
    assert effects(waits.key)["slow_idempotent"] == (2 if kind == "tools" else 1)
