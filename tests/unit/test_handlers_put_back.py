"""Celery gives the message of a child that died before it was heard of to the next child; the call is not lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.status import CallState, Stage
from threadrun.tools import ToolRegistry, tool
from worker.handlers import HandlerRuntime
from worker.store.ledger import CallAddress


@tool(name="put_back_add", idempotent=True)
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@pytest.fixture
def house() -> Ledgerful:
    return Ledgerful()


@pytest.fixture
def child(house: Ledgerful) -> Iterator[HandlerRuntime]:
    registry = ToolRegistry()
    registry.add(add.tool)
    runtime = HandlerRuntime(house.redis, house.keys, WORKER, registry)
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def claimed(house: Ledgerful, pid: int, *, worker: str = WORKER, idempotent: bool = True) -> CallAddress:
    at = house.call("put_back_add", {"a": 1, "b": 2}, idempotent=idempotent)
    fields = {"state": "claimed", "token": "t", "worker": worker, "attempts": 1, "deadline_ms": 1, "pid": pid}
    house.redis.hset(house.keys.calls(at.run_key), mapping={f"1:0:{name}": v for name, v in fields.items()})
    return at


def test_a_call_whose_child_is_gone_is_run_again_if_it_may_be(house, child, dead_pid):
    at = claimed(house, dead_pid)

    assert child.execute(at) == "taken"
    assert house.row(at).state is CallState.PENDING
    assert child.execute(at) == "settled"
    assert (house.row(at).output, house.row(at).attempts) == ("3", 2)


def test_the_outcome_of_any_other_is_unknown(house, child, dead_pid):
    at = claimed(house, dead_pid, idempotent=False)

    assert child.execute(at) == "taken"
    assert (house.row(at).kind, house.record(at).stage) == ("unknown_outcome", Stage.SUBMIT)


def test_a_child_with_the_same_id_as_the_one_that_asks_was_an_earlier_one(house, child):
    at = claimed(house, os.getpid())

    child.execute(at)
    assert house.row(at).state is CallState.PENDING


def test_a_doubled_message_does_not_disturb_a_child_that_lives(house, child):
    at = claimed(house, os.getppid())

    assert child.execute(at) == "taken"
    assert house.row(at).state is CallState.CLAIMED


def test_another_workers_child_is_not_judged_by_an_id_of_this_machine(house, child, dead_pid):
    at = claimed(house, dead_pid, worker="tools@elsewhere/2")

    assert child.execute(at) == "taken"
    assert house.row(at).state is CallState.CLAIMED
