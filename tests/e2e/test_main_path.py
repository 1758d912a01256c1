"""A run goes from enqueue to one final record through real processes, whoever enqueues it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.celery_settings import celery_config
from config.settings import load_settings
from tests.e2e.conftest import Effects
from threadrun import Outcome, RunStatus, Stage
from threadrun.status import CallState
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def caller_env(stack: LocalStack) -> dict[str, str]:
    """Give what an app knows that has Celery but not our package: broker, results, prefix."""
    config = celery_config(load_settings({"THREADRUN_REDIS_URL": stack.redis_url}, None))
    return {
        **stack.env,
        "CALLER_BROKER": config["broker_url"],
        "CALLER_RESULTS": config["result_backend"],
        "CALLER_PREFIX": config["result_backend_transport_options"]["global_keyprefix"],
        "CALLER_REDIS": stack.redis_url,
    }


CALLER_APP = """
import os
from celery import Celery

options = {"global_keyprefix": os.environ["CALLER_PREFIX"]}
app = Celery("shop", broker=os.environ["CALLER_BROKER"], backend=os.environ["CALLER_RESULTS"])
app.conf.update(
    broker_transport_options=options,
    result_backend_transport_options=options,
    broker_connection_retry_on_startup=True,
)


@app.task(name="shop.run_finished", ignore_result=True)
def run_finished(run_key, outcome):
    with open(os.environ["CALLER_FILE"], "a") as file:
        file.write(f"{run_key} {outcome}\\n")
"""


def test_a_run_with_one_tool_leaves_a_whole_record(stack: LocalStack, effects: Effects) -> None:
    script = 'call add {"a": 2, "b": 3}\nsay The sum is $1.'
    handle = stack.client.enqueue("asst_demo", messages=script, tools=["add"], metadata={"team": "blue"})
    record = handle.wait(PATIENCE_SECONDS)

    assert (record.stage, record.status, record.outcome) == (
        Stage.DONE,
        RunStatus.COMPLETED,
        Outcome.COMPLETED,
    )
    assert record.output_text == "The sum is 5."
    (call,) = record.tool_calls
    assert (call.tool, call.output, call.kind, call.state) == ("add", "5", "ok", CallState.SUBMITTED)
    assert [step.type for step in record.steps] == ["tool_calls", "message_creation"]
    assert record.usage is not None
    assert record.usage.total_tokens == sum(step.usage.total_tokens for step in record.steps if step.usage)
    assert [event.seq for event in record.transitions] == list(range(1, len(record.transitions) + 1))
    assert record.run is not None
    assert record.run.metadata == {"team": "blue", "threadrun_key": handle.key}
    assert record.missing == ()
    assert effects(handle.key) == {"add": 1}
    done = [effect.effect for effect in stack.control.effects(run_key=handle.key)]
    assert (done.count("thread.created"), done.count("run.created"), done.count("outputs.accepted")) == (
        1,
        1,
        1,
    )
    assert handle.get() == record


MIXED = {
    "plain": ("hello", "You said: hello", {}),
    "one": ('call add {"a": 1, "b": 1}\nsay $1', "2", {"add": 1}),
    "parallel": (
        'call add {"a": 1, "b": 2} and add {"a": 3, "b": 4} and slow {"seconds": 0.2}\nsay $1 $2 $3',
        "3 7 took 0.2 s",
        {"add": 2, "slow": 1},
    ),
    "rounds": (
        'call add {"a": 1, "b": 2}\ncall add {"a": 5, "b": 5}\nsay $1',
        "10",
        {"add": 2},
    ),
    "failing": ('call fail {"text": "no"} and add {"a": 0, "b": 9}\nsay $2', "9", {"fail": 1, "add": 1}),
}


def test_twenty_mixed_runs_end_right_and_enter_each_handler_once(stack: LocalStack, effects: Effects) -> None:
    tools = ["add", "slow", "fail"]
    requests = [
        {
            "assistant_id": "asst_demo",
            "messages": script,
            "tools": tools,
            "idempotency_key": f"mixed-{kind}-{n}",
        }
        for n in range(4)
        for kind, (script, _, _) in MIXED.items()
    ]
    keys = [handle.key for handle in stack.client.enqueue_many(requests)]
    records = [stack.client.wait(key, PATIENCE_SECONDS) for key in keys]

    told = {record.key: (record.outcome, record.output_text, effects(record.key)) for record in records}
    expected = {
        f"mixed-{kind}-{n}": (Outcome.COMPLETED, text, entered)
        for n in range(4)
        for kind, (_, text, entered) in MIXED.items()
    }
    assert told == expected
    created = [effect.threadrun_key for effect in stack.control.effects("run.created")]
    assert sorted(key for key in created if key in expected) == sorted(expected)


def test_a_second_process_enqueues_and_this_one_reads(stack: LocalStack) -> None:
    program = """
from threadrun import RunClient
handle = RunClient.from_env().enqueue("asst_demo", messages="say from afar", idempotency_key="second-process")
print(handle.created)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=stack.env, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "True\n"
    assert stack.client.wait("second-process", PATIENCE_SECONDS).output_text == "from afar"


def test_a_caller_without_the_package_sends_a_task_and_reads_redis(
    stack: LocalStack, caller_env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "caller.py").write_text(CALLER_APP)
    program = """
import json, sys, time
import redis, os
from caller import app
request = {"assistant_id": "asst_demo", "messages": "say hi", "idempotency_key": "by-name"}
keys = [app.send_task("runs.enqueue", [request], queue="runs").get(timeout=20) for _ in range(2)]
store = redis.Redis.from_url(os.environ["CALLER_REDIS"], decode_responses=True)
give_up_at = time.monotonic() + 20
while store.hget("threadrun:run:by-name", "stage") != "done" and time.monotonic() < give_up_at:
    time.sleep(0.05)
record = store.hgetall("threadrun:run:by-name")
print(json.dumps([keys, record["outcome"], "threadrun" in sys.modules]))
"""
    env = {**caller_env, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["by-name", "by-name"], "completed", False]
    assert stack.client.get("by-name").output_text == "hi"


@pytest.fixture
def caller_worker(caller_env: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Run a Celery worker of the caller's own; gives the file in which its task writes."""
    (tmp_path / "caller.py").write_text(CALLER_APP)
    told = tmp_path / "told.txt"
    command = [sys.executable, "-m", "celery", "-q", "-A", "caller", "worker", "-P", "solo", "-Q", "shop"]
    env = {**caller_env, "PYTHONPATH": str(tmp_path), "CALLER_FILE": str(told)}
    process = GuardedProcess(command, log=tmp_path / "caller.log", env=env, cwd=tmp_path)
    yield told
    process.close()


def test_the_callers_own_worker_is_told_when_the_record_is_final(
    stack: LocalStack, caller_worker: Path
) -> None:
    on_done = {"task": "shop.run_finished", "queue": "shop"}
    good = stack.client.enqueue("asst_demo", messages="say hi", on_done=on_done)
    bad = stack.client.enqueue("asst_demo", messages="end failed server_error Sorry.", on_done=on_done)

    for handle in (good, bad):
        assert handle.wait(PATIENCE_SECONDS).final
    expected = {f"{good.key} completed", f"{bad.key} failed"}
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not expected <= set(told_in(caller_worker)) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert set(told_in(caller_worker)) == expected


def told_in(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_handler_that_kills_its_process_is_run_again_only_if_it_may_be(
    stack: LocalStack, effects: Effects
) -> None:
    script = 'call crash and idempotent_crash_once and add {"a": 1, "b": 1}\nsay $2, $3'
    tools = ["crash", "idempotent_crash_once", "add"]
    handle = stack.client.enqueue("asst_demo", messages=script, tools=tools)
    record = handle.wait(PATIENCE_SECONDS)

    assert record.output_text == f"survived under {handle.key}:1:1, 2"
    kinds = [(call.tool, call.kind, call.attempts) for call in record.tool_calls]
    assert kinds == [("crash", "unknown_outcome", 1), ("idempotent_crash_once", "ok", 2), ("add", "ok", 1)]
    assert effects(handle.key) == {"crash": 1, "idempotent_crash_once": 2, "add": 1}
