"""A process that dies anywhere: another one carries on, and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.backend import real
from tests.integration.engine.house import Died, House
from tests.integration.engine.scripted_provider import ANSWER, ScriptedProvider
from threadrun.records import RunRecord
from threadrun.request import RunRequest
from threadrun.status import CallState, Outcome, Stage
from worker.providers.base import No, Refusal, Unknown


@pytest.fixture
def fateful(redis_url, monkeypatch) -> Callable[..., House]:
    """Build houses one after the other, each in a Redis of its own making; every provider request is a step."""

    def build(*die_at: int) -> House:
        house = House(real(redis_url), ScriptedProvider(["add"]))
        monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
        house.doom(*die_at)

        async def step(operation: str, when: str) -> None:
            house.fate.step(f"{operation} {when}")

        house.provider.hook = step
        return house

    return build


async def life(house: House) -> RunRecord:
    """Carry one run with one tool to its end, whatever dies."""
    async with closing(house):
        key = house.enqueue(on_done="shop.done")
        await house.carry()
        return house.record(key)


@asynccontextmanager
async def closing(house: House) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await house.backend.aclose()
        house.backend.sync.flushdb()
        house.backend.sync.close()


def faults(house: House, record: RunRecord) -> list[str]:
    """List what must not be, for any way of dying."""
    seqs = [event.seq for event in record.transitions]
    told = [message.kwargs["outcome"] for message in house.outbox.sent if message.task == "shop.done"]
    must = {
        "completed": record.outcome is Outcome.COMPLETED,
        "whole": record.missing == (),
        "one run": len(house.provider.runs) == 1,
        "one submit accepted": len(house.provider.submitted) == 1,
        "handler entered once": len(house.entered) == 1,
        "its output was sent": [o.output for o in house.provider.submitted[0]] == ["out1.0"],
        "call submitted": [call.state for call in record.tool_calls] == [CallState.SUBMITTED],
        "gapless": seqs == list(range(1, len(seqs) + 1)),
        "last event": record.transitions[-1].type == "run.finished",
        "told": set(told) == {"completed"},
    }
    return [name for name, good in must.items() if not good]


async def test_wherever_the_engine_dies_there_is_one_run_one_submit_and_one_entry(fateful):
    whole = fateful()
    record = await life(whole)
    assert faults(whole, record) == []
    steps = whole.fate.steps
    assert len(steps) > 35

    wrong = {}
    for at in range(1, len(steps) + 1):
        house = fateful(at)
        if found := faults(house, await life(house)):
            wrong[f"{at} {steps[at - 1]}"] = found
    assert wrong == {}


async def test_the_same_holds_when_it_dies_twice(fateful):
    chance = random.Random(7)
    wrong = {}
    for _ in range(40):
        first = chance.randint(1, 38)
        at = (first, first + chance.randint(1, 15))
        house = fateful(*at)
        if found := faults(house, await life(house)):
            wrong[at] = found
    assert wrong == {}


async def test_wherever_it_dies_a_cancelled_run_is_cancelled_and_its_thread_free(fateful):
    async def cancelled(house: House) -> list[str]:
        async with closing(house):
            key = house.enqueue(thread_id="thread_x")
            await house.carry(until=Stage.TOOLS)
            house.client.cancel(key)
            await house.carry()
            record, left = house.record(key), house.backend.left()
        good = record.outcome is Outcome.CANCELLED, len(house.provider.runs) == 1, house.entered == []
        held = [name for name in left if name.startswith(("thread:", "agenda:"))]
        return [str(record.outcome), *held] if held or not all(good) else []

    whole = fateful()
    assert await cancelled(whole) == []
    wrong = {
        at: found for at in range(1, len(whole.fate.steps) + 1) if (found := await cancelled(fateful(at)))
    }
    assert wrong == {}


async def test_wherever_it_dies_two_runs_of_one_thread_are_never_active_together(fateful):
    async def both(house: House) -> list[str]:
        wrong = []

        async def watch(operation: str, when: str) -> None:
            active = [
                r for r in house.provider.runs.values() if r["status"] not in {"completed", "requires_action"}
            ]
            if (operation, when) == ("create_run", "before") and active:
                wrong.append("two active")
            house.fate.step(f"{operation} {when}")

        house.provider.hook, house.provider.rounds = watch, ()
        async with closing(house):
            keys = [house.enqueue(thread_id="thread_x") for _ in range(2)]
            await house.carry()
            outcomes = {house.record(key).outcome for key in keys}
            held = [name for name in house.backend.left() if name.startswith(("thread:", "agenda:"))]
        if outcomes != {Outcome.COMPLETED} or len(house.provider.runs) != 2:
            wrong.append(f"{outcomes} {len(house.provider.runs)}")
        return wrong + held

    whole = fateful()
    assert await both(whole) == []
    wrong = {at: found for at in range(1, len(whole.fate.steps) + 1) if (found := await both(fateful(at)))}
    assert wrong == {}


async def test_a_holder_that_comes_too_late_leaves_its_fact_behind_for_the_next(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    answered, stalled = asyncio.Event(), asyncio.Event()

    async def stall(operation: str, when: str) -> None:
        if (operation, when) == ("create_run", "after"):
            stalled.set()
            await answered.wait()

    house.provider.hook = stall
    late = asyncio.create_task(house.serve(Stage.CREATE))
    await stalled.wait()
    house.turn(20)
    other = house.engine(store=house.new_store())

    async def search_is_slow(operation: str, when: str) -> None:
        if operation == "list_runs" and when == "before":
            answered.set()
            await late

    house.provider.hook = search_is_slow
    await house.serve(Stage.CREATE, other)
    await house.carry()

    assert house.events(key).count("run.created") == 1
    assert house.record(key).outcome is Outcome.COMPLETED
    assert len(house.provider.runs) == 1


async def test_a_fact_of_a_late_holder_is_used_without_searching(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    go_on, stalled = asyncio.Event(), asyncio.Event()

    async def stall(operation: str, when: str) -> None:
        if (operation, when) == ("create_run", "after"):
            stalled.set()
            await go_on.wait()

    house.provider.hook = stall
    late = asyncio.create_task(house.serve(Stage.CREATE))
    await stalled.wait()
    house.turn(20)
    (claimed,) = (await house.store.claim(Stage.CREATE, "default", 1, 20_000)).runs
    go_on.set()
    await late

    assert house.record(key).run_id == "run_1"
    assert not (await house.store.rest(claimed, 60_000)) or house.due()[Stage.CREATE] <= 0
    await house.carry()
    assert "list_runs" not in house.provider.requests
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_a_redis_that_fails_after_the_post_costs_a_lease_and_the_run_is_found_again(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    commit = house.store.commit

    async def failing(run, write):
        if write.changes.facts:
            raise RedisConnectionError("gone")
        return await commit(run, write)

    house.store.commit = failing
    served = await house.serve(Stage.CREATE)
    assert served == 1
    assert house.record(key).run_id is None

    house.store.commit = commit
    await house.carry()
    assert "run.adopted" in house.events(key)
    assert len(house.provider.runs) == 1


async def test_a_life_that_ends_in_the_test_ends_everywhere(fateful):
    """The simulation itself: a death leaves the claim standing and is not caught by the engine."""
    house = fateful(1)
    async with closing(house):
        house.enqueue()
        with pytest.raises(Died):
            await house.serve(Stage.CREATE)

        assert house.due()[Stage.CREATE] == 20


async def test_a_run_found_after_a_death_that_already_asks_for_tools_has_its_tools_run(new_house):
    """The answer that found it was read without the catalogue; its calls are not missing for that."""
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue(thread_id="thread_x")
    house.doom(3)  # after the create had its effect, before that was stored
    with pytest.raises(Died):
        await house.serve(Stage.CREATE)
    house.provider.runs["run_1"]["status"] = "requires_action"
    await house.carry()

    assert "run.adopted" in house.events(key)
    assert [(c.kind, c.output) for c in house.record(key).tool_calls] == [("ok", "out1.0")]


async def test_a_thread_held_by_our_own_earlier_create_is_no_reason_for_a_second_run(new_house):
    """The first create looks lost to every search, and takes effect all the same."""
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    house.provider.answers["create_run"] = [Unknown("connection_lost", ANSWER)]
    await house.serve(Stage.CREATE)
    busy = No(Refusal.BUSY_THREAD, ANSWER)

    async def late(operation: str, when: str) -> None:
        if (operation, when) == ("create_run", "before"):
            house.provider.hook = none
            request = RunRequest(assistant_id="asst", thread_id="thread_x")
            await house.provider.create_run("thread_x", request, run_key=key)
            house.provider.answers["create_run"] = [busy]

    async def none(operation: str, when: str) -> None:
        return

    house.provider.hook = late
    await house.carry()

    assert house.record(key).outcome is Outcome.COMPLETED
    assert house.events(key).count("run.adopted") == 1
    assert len(house.provider.runs) == 1
