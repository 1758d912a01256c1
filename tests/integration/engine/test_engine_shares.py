"""What one wake-up, one profile and one stopping worker may hold, and what they give back."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.integration.engine.scripted_provider import ScriptedProvider
from tests.integration.loop_turns import until
from threadrun.status import Stage
from worker.engine import AWAKE_SECONDS


def hang(house, operation: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Let requests of an operation hang until told; the first event says that one does."""
    hanging, go_on = asyncio.Event(), asyncio.Event()

    async def hook(name: str, when: str) -> None:
        if (name, when) == (operation, "before"):
            hanging.set()
            await go_on.wait()

    house.provider.hook = hook
    return hanging, go_on


async def test_no_more_runs_are_claimed_than_there_are_request_slots(new_house):
    house = new_house()
    for _ in range(5):
        house.enqueue(thread_id=None)
    hanging, go_on = hang(house, "create_thread")
    engine = house.engine(slots=2)

    assert await engine.serve(Stage.CREATE) == 2
    await hanging.wait()
    assert await engine.serve(Stage.CREATE) == 0
    engine.drain()
    go_on.set()
    await engine.finish()
    assert len(house.provider.runs) == 2


async def test_what_found_no_free_slot_is_claimed_once_there_is_one_without_another_wake_up(new_house):
    house = new_house()
    keys = [house.enqueue(thread_id=None) for _ in range(5)]
    engine = house.engine(slots=2)

    await engine.serve(Stage.CREATE)
    await engine.finish()

    assert {house.record(key).stage for key in keys} == {Stage.POLL}


async def test_runs_that_hang_hold_up_no_other_of_their_stage(new_house):
    """However many wake-ups have met a run that hangs: the next one does not wait for them."""
    house = new_house()
    hanging, go_on = hang(house, "create_thread")
    engine = house.engine(slots=5)
    for _ in range(4):
        house.enqueue(thread_id=None)
        assert await engine.serve(Stage.CREATE) == 1
        await hanging.wait()
        hanging.clear()
    quick = house.enqueue(thread_id="thread_quick")

    await engine.serve(Stage.CREATE)
    await until(lambda: house.record(quick).stage is Stage.POLL)
    go_on.set()
    await engine.finish()


async def test_a_stage_with_much_to_do_leaves_another_its_turn(new_house):
    house = new_house()
    house.client.cancel(house.enqueue())
    await house.serve(Stage.CREATE)
    for _ in range(5):
        house.enqueue()
    engine, order, claim = house.engine(slots=1), [], house.store.claim

    async def noting(stage, *rest):
        order.append(stage)
        return await claim(stage, *rest)

    house.store.claim = noting
    await engine.serve(Stage.CREATE)
    await engine.serve(Stage.FINALIZE)
    await engine.finish()

    assert order[:4] == [Stage.CREATE, Stage.CREATE, Stage.FINALIZE, Stage.CREATE]


async def test_a_hanging_provider_stops_no_other(new_house):
    stuck = new_house()
    stuck.enqueue()
    other = ScriptedProvider()
    hanging, go_on = hang(stuck, "create_thread")
    blocked = asyncio.create_task(stuck.serve(Stage.CREATE, stuck.engine(slots=1)))
    await hanging.wait()

    key = stuck.enqueue()
    await stuck.serve(Stage.CREATE, stuck.engine(slots=1, provider=other))
    assert stuck.record(key).stage is Stage.POLL
    go_on.set()
    await blocked


async def test_what_fails_gives_its_slot_back(new_house):
    house = new_house()
    keys = {house.enqueue() for _ in range(3)}

    async def defect(operation: str, when: str) -> None:
        raise RuntimeError("a defect")

    house.provider.hook = defect
    with capture_logs() as logs:
        await house.serve(Stage.CREATE, house.engine(slots=1))

    assert {line["run_key"] for line in logs if line["event"] == "run.advance_failed"} == keys


async def test_looking_where_nothing_is_due_costs_no_slot(new_house):
    house = new_house()
    engine = house.engine(slots=1)
    for _ in range(3):
        assert await house.serve(Stage.CREATE, engine) == 0
    house.enqueue()

    assert await house.serve(Stage.CREATE, engine) == 1


async def test_a_claim_that_redis_refuses_costs_no_slot(new_house):
    house = new_house()
    house.enqueue()
    engine, claim = house.engine(slots=1), house.store.claim

    async def down(*_args: object) -> None:
        raise ConnectionError("gone")

    house.store.claim = down
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await house.serve(Stage.CREATE, engine)
    house.store.claim = claim
    assert await house.serve(Stage.CREATE, engine) == 1


async def test_a_defect_leaves_its_run_to_the_lease_and_takes_no_other_with_it(new_house):
    house = new_house()
    bad, good = house.enqueue(thread_id="thread_bad"), house.enqueue(thread_id="thread_good")
    create = house.provider.create_run

    async def picky(thread_id, request, *, run_key):
        if thread_id == "thread_bad":
            raise ZeroDivisionError
        return await create(thread_id, request, run_key=run_key)

    house.provider.create_run = picky
    with capture_logs() as logs:
        served = await house.serve(Stage.CREATE)

    assert served == 2
    assert [line["run_key"] for line in logs if line["event"] == "run.advance_failed"] == [bad]
    assert house.record(good).stage is Stage.POLL
    assert house.due()[Stage.CREATE] == 20
    house.provider.create_run = create
    await house.carry()
    assert house.record(bad).outcome == "completed"


@pytest.mark.parametrize(("field", "value"), [("deadline_ms", "soon"), ("progress", b"\xff\xfe")])
async def test_an_unreadable_record_takes_no_other_with_it(new_house, field, value):
    house = new_house()
    bad, good = house.enqueue(), house.enqueue()
    house.backend.sync.hset(house.backend.keys.run(bad), field, value)

    served = await house.serve(Stage.CREATE)
    assert served == 1
    assert house.record(good).stage is Stage.POLL


async def test_a_draining_worker_claims_nothing_more(new_house):
    house = new_house()
    house.enqueue()
    engine = house.engine()
    engine.drain()

    assert await house.serve(Stage.CREATE, engine) == 0
    assert house.due()[Stage.CREATE] <= 0


async def test_what_is_in_hand_at_the_end_of_the_drain_is_due_at_once_for_another(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    key = house.enqueue()
    await house.carry(until=Stage.POLL)
    house.turn(house.due()[Stage.POLL])
    hanging, _ = hang(house, "get_run")
    engine = house.engine()
    serving = asyncio.create_task(house.serve(Stage.POLL, engine))
    await hanging.wait()
    assert house.due()[Stage.POLL] == 20

    engine.drain()
    with capture_logs() as logs:
        await engine.hand_back_all()
    await serving
    assert house.due()[Stage.POLL] <= 0
    assert [line["event"] for line in logs] == ["run.handed_back"]
    assert house.record(key).stage is Stage.POLL


async def test_a_post_handed_back_in_mid_request_is_searched_for_and_not_sent_again(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    created = asyncio.Event()

    async def stall(operation: str, when: str) -> None:
        if (operation, when) == ("create_run", "after"):
            created.set()
            await asyncio.Event().wait()

    house.provider.hook = stall
    engine = house.engine()
    serving = asyncio.create_task(house.serve(Stage.CREATE, engine))
    await created.wait()
    await engine.hand_back_all()
    await serving
    await house.serve(Stage.CREATE)
    assert 14 <= house.due()[Stage.CREATE] <= 15

    async def pass_on(operation: str, when: str) -> None:
        return

    house.provider.hook = pass_on
    await house.carry()
    assert "run.adopted" in house.events(key)
    assert len(house.provider.runs) == 1


async def test_a_hand_back_that_redis_does_not_take_leaves_the_run_to_its_lease(new_house):
    house = new_house()
    house.enqueue()
    hanging, _ = hang(house, "create_thread")
    engine = house.engine()
    serving = asyncio.create_task(house.serve(Stage.CREATE, engine))
    await hanging.wait()

    async def down(*_args: object, **_options: object) -> bool:
        raise ConnectionError("gone")

    house.store.rest = down
    await engine.hand_back_all()
    await serving
    assert house.due()[Stage.CREATE] == 20


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_that_raises_leaves_the_intent_to_the_next_holder(new_house, when):
    house = new_house()
    house.enqueue(thread_id="thread_x")

    async def defect(operation: str, at: str) -> None:
        if (operation, at) == ("create_run", when):
            raise RuntimeError("a defect of the adapter")

    house.provider.hook = defect
    await house.serve(Stage.CREATE)

    async def pass_on(operation: str, at: str) -> None:
        return

    house.provider.hook = pass_on
    await house.carry()
    assert len(house.provider.runs) == 1


async def test_a_claim_that_waited_for_a_slot_and_fails_is_left_to_the_next_wake_up(new_house):
    house = new_house()
    for _ in range(2):
        house.enqueue(thread_id=None)
    engine, claim, asked = house.engine(slots=1), house.store.claim, 0

    async def down_at_the_second(*what):
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RedisConnectionError("gone")
        return await claim(*what)

    house.store.claim = down_at_the_second
    with capture_logs() as logs:
        await house.serve(Stage.CREATE, engine)

    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["claim.failed"]
    assert await house.serve(Stage.CREATE, engine) == 1


async def test_a_slot_that_is_freed_while_draining_is_not_used_again(new_house):
    house = new_house()
    for _ in range(2):
        house.enqueue(thread_id=None)
    hanging, go_on = hang(house, "create_thread")
    engine = house.engine(slots=1)
    await engine.serve(Stage.CREATE)
    await hanging.wait()
    engine.drain()
    go_on.set()
    await engine.finish()

    assert house.provider.requests.count("create_thread") == 1
    assert house.due()[Stage.CREATE] <= 0


async def test_an_engine_that_found_work_stays_awake_for_its_stage_and_needs_no_message(new_house):
    house = new_house()
    engine = house.engine()
    await house.serve(Stage.CREATE, engine)
    assert not engine.is_awake(Stage.CREATE)
    house.enqueue()
    await house.serve(Stage.CREATE, engine)
    assert engine.is_awake(Stage.CREATE)
    assert not engine.is_awake(Stage.SUBMIT)

    key = house.enqueue()
    engine.wake(Stage.CREATE)
    await engine.finish()
    assert house.record(key).stage is Stage.POLL


@pytest.mark.parametrize("why", ["no slot", "draining", "long ago"])
async def test_an_engine_that_cannot_claim_leaves_the_wake_up_to_others(new_house, monkeypatch, why):
    house = new_house()
    house.enqueue()
    hanging, go_on = hang(house, "create_thread")
    engine = house.engine(slots=1 if why == "no slot" else 2)
    await engine.serve(Stage.CREATE)
    await hanging.wait()
    if why == "draining":
        engine.drain()
    if why == "long ago":
        later = time.monotonic() + AWAKE_SECONDS
        monkeypatch.setattr("worker.engine.time", SimpleNamespace(monotonic=lambda: later))

    assert not engine.is_awake(Stage.CREATE)
    go_on.set()
    await engine.finish()


async def test_a_run_ends_in_the_claim_that_saw_its_end(new_house):
    house = new_house()
    key = house.enqueue()
    await house.carry(until=Stage.POLL)
    stages, claim = [], house.store.claim

    async def noting(stage, *rest):
        stages.append(stage)
        return await claim(stage, *rest)

    house.store.claim = noting
    await house.carry()
    assert house.record(key).stage is Stage.DONE
    assert set(stages) == {Stage.POLL}
