"""A run's progress is a function of script, events and clock: looking at it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from threadrun.status import RunStatus
from threadrun.testing.clock import ManualClock, RunningClock
from threadrun.testing.dialect import Dialect
from threadrun.testing.exchange import ApiRequest
from threadrun.testing.ids import IdMaker
from threadrun.testing.objects import Run
from threadrun.testing.options import ServerOptions
from threadrun.testing.progress import accept_cancel, accept_outputs, advance
from threadrun.testing.runs import create_run
from threadrun.testing.threads import create_thread
from threadrun.testing.world import World

SLOW = ServerOptions(think_seconds=1, queue_seconds=0.5, cancel_seconds=2, expire_seconds=60)


def begin(script: str, options: ServerOptions = SLOW) -> tuple[World, Run]:
    world = World(options, ManualClock(), Dialect())
    thread = {"messages": [{"role": "user", "content": script}]}
    reply = create_thread(world, ApiRequest("POST", "", {}, {}, body=to_json(thread)))
    assert reply.thread is not None
    ids = {"thread_id": reply.thread.id}
    run = create_run(world, ApiRequest("POST", "", ids, {}, body=b'{"assistant_id": "asst_demo"}')).run
    assert run is not None
    return world, run


def look(world: World, run: Run, after_seconds: float) -> RunStatus:
    advance(run, world.clock.advance(after_seconds))
    return run.status


def everything(world: World, run: Run) -> dict[str, Any]:
    dialect = world.dialect
    return {
        "run": dialect.run(run),
        "steps": [dialect.step(run, step) for step in run.steps],
        "messages": [dialect.message(message) for message in run.thread.messages],
        "transitions": run.transitions,
    }


def test_a_run_is_queued_then_thinks_then_waits_for_its_tools() -> None:
    world, run = begin("call a")

    assert look(world, run, 0.4) is RunStatus.QUEUED
    assert look(world, run, 0.2) is RunStatus.IN_PROGRESS
    assert look(world, run, 0.8) is RunStatus.IN_PROGRESS
    assert look(world, run, 0.2) is RunStatus.REQUIRES_ACTION
    assert look(world, run, 50) is RunStatus.REQUIRES_ACTION


def test_each_change_has_its_own_time_however_late_it_is_seen() -> None:
    world, run = begin("say hello")
    start = world.clock.now()

    look(world, run, 40)

    assert [(at - start, status) for at, status in run.transitions] == [
        (0, RunStatus.QUEUED),
        (0.5, RunStatus.IN_PROGRESS),
        (1.5, RunStatus.COMPLETED),
    ]
    assert run.thread.messages[-1].created_at == start + 1.5


@settings(max_examples=60, deadline=None)
@given(quarters=st.lists(st.integers(0, 60), max_size=12), outputs=st.booleans(), cancel=st.booleans())
def test_looking_often_or_once_leads_to_the_same_run(
    quarters: list[int], outputs: bool, cancel: bool
) -> None:
    looks = [quarter / 4 for quarter in quarters]
    script = "think 2; call a {} and b {}; think 3; say $1; think 4; call c; say $1; end failed x y"
    seen_often, often = begin(script)
    seen_once, once = begin(script)

    for seconds in looks:
        look(seen_often, often, seconds)
    look(seen_once, once, sum(looks))
    for world, run in ((seen_often, often), (seen_once, once)):
        if outputs and run.status is RunStatus.REQUIRES_ACTION:
            accept_outputs(run, tuple("ok" for _ in run.steps[-1].call_ids), world.clock.now())
        if cancel and not run.status.terminal:
            accept_cancel(run, world.clock.now())
        look(world, run, 5)

    assert everything(seen_often, often) == everything(seen_once, once)


def test_a_run_that_waits_too_long_expires_with_its_step() -> None:
    world, run = begin("call a")

    look(world, run, 100)

    assert run.status is RunStatus.EXPIRED
    assert run.transitions[-1][0] == run.created_at + 60
    body = everything(world, run)
    assert body["run"]["expires_at"] is None
    assert body["run"]["required_action"] is None
    assert body["steps"][0]["status"] == "expired"
    assert body["steps"][0]["expires_at"] == int(run.created_at) + 60


def test_thinking_past_the_expiry_expires_too() -> None:
    world, run = begin("think 500; say never")

    assert look(world, run, 60) is RunStatus.EXPIRED
    assert run.steps == []


def test_a_cancel_takes_its_time_and_ends_the_waiting_step() -> None:
    world, run = begin("call a")
    look(world, run, 5)

    accept_cancel(run, world.clock.now())
    assert look(world, run, 1.9) is RunStatus.CANCELLING
    assert look(world, run, 0.2) is RunStatus.CANCELLED
    assert run.steps[0].status is RunStatus.CANCELLED


def test_a_cancel_can_lose_the_race() -> None:
    world, run = begin("ignore cancel; think 9; say done")
    look(world, run, 1)

    accept_cancel(run, world.clock.now())

    assert look(world, run, 5) is RunStatus.CANCELLING
    assert look(world, run, 5) is RunStatus.COMPLETED
    assert run.thread.messages[-1].text == "done"


@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_a_run_that_outran_its_cancel_is_cancelled_when_it_would_need_tools(seconds: float) -> None:
    world, run = begin("ignore cancel; think 9; call a")
    look(world, run, seconds)

    accept_cancel(run, world.clock.now())

    assert look(world, run, 20) is RunStatus.CANCELLED
    assert run.steps == []


def test_a_cancel_while_tools_are_awaited_is_never_outrun() -> None:
    world, run = begin("ignore cancel; call a; say $1")
    look(world, run, 5)

    accept_cancel(run, world.clock.now())

    assert look(world, run, 5) is RunStatus.CANCELLED


def test_usage_is_null_until_the_end_and_then_the_sum_of_the_steps() -> None:
    script, arguments, output = 'call a {"n": 1}; say The answer is $1', '{"n": 1}', "forty-two"
    world, run = begin(script)
    look(world, run, 5)
    waiting = everything(world, run)
    assert waiting["run"]["usage"] is None
    assert waiting["steps"][0]["usage"] is None

    accept_outputs(run, (output,), world.clock.now())
    look(world, run, 5)

    ended = everything(world, run)
    parts = [step["usage"] for step in ended["steps"]]
    assert len(parts) == 2
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert ended["run"]["usage"][name] == sum(part[name] for part in parts)
    read = len(script) + len("a" + arguments) + len(output)
    assert parts[0]["prompt_tokens"] == -(-len(script) // 4)
    assert parts[1]["prompt_tokens"] == -(-read // 4)
    assert parts[1]["completion_tokens"] == -(-len("The answer is forty-two") // 4)


def test_ids_depend_on_the_seed_alone() -> None:
    first, again, other = IdMaker(1), IdMaker(1), IdMaker(2)

    ids = [first.next("run"), first.next("run")]

    assert ids == [again.next("run"), again.next("run")]
    assert len({*ids, other.next("run")}) == 3


@pytest.mark.parametrize("clock", [ManualClock(), RunningClock()])
def test_no_clock_turns_back(clock: ManualClock | RunningClock) -> None:
    before = clock.now()

    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="forward"):
            clock.advance(seconds)

    assert clock.advance(100) >= before + 100
