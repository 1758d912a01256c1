"""What kills workers is set aside after three deaths, and what nobody knows is left to the tool's choice."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.carrying import claim_call
from tests.integration.engine.house import Died
from tests.integration.engine.scripted_provider import ScriptedProvider
from tests.integration.engine.test_engine_dead_workers import claimed_by_one_who_dies, see_redis, state
from threadrun.status import CallState, Outcome, Stage
from worker.store.ledger import CallAddress
from worker.suspects import SuspectSlot


async def dies_with(house, *calls: CallAddress) -> None:
    """Have one tools worker claim calls, and let its heartbeat stop until that is noticed."""
    worker = f"tools@{house.seconds}"
    house.backend.sync.zadd(house.backend.keys.workers(), {worker: house.backend.now_ms()})
    for at in calls:
        assert (await claim_call(house.store, at, f"{worker}.{at.index}", worker=worker)).verdict == "yes"
    house.outbox.take("tools.execute")
    await see_redis(house, 25)


async def in_tools(house, *tools: str) -> str:
    house.provider.rounds = (list(tools),)
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)
    house.outbox.take("tools.execute")
    return key


async def test_a_parked_call_waits_until_a_person_gives_its_output(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "charge")
    await see_redis(house, 60)

    assert (state(house, at), house.record(at.run_key).stage) == (CallState.UNKNOWN, Stage.TOOLS)
    house.client.resolve(f"{at.run_key}/1/0", "it was charged")
    await house.carry()
    record = house.record(at.run_key)
    assert (record.outcome, record.tool_calls[0].kind) == (Outcome.COMPLETED, "resolved")
    assert house.provider.submitted[0][0].output == "it was charged"
    assert house.entered == []


async def test_a_parked_call_that_is_released_is_run_again(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "charge")
    await see_redis(house, 25)

    house.client.release(f"{at.run_key}/1/0")
    await house.carry()
    record = house.record(at.run_key)
    assert (record.outcome, record.tool_calls[0].attempts, house.entered) == (Outcome.COMPLETED, 2, [at])


async def test_parking_ends_before_the_run_expires_and_the_model_is_told(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "charge")
    await see_redis(house, 25)
    spent = house.seconds
    await house.carry(most=500)

    record = house.record(at.run_key)
    assert (record.outcome, record.tool_calls[0].kind) == (Outcome.COMPLETED, "unknown_outcome")
    assert 550 < house.seconds - spent < 570
    assert house.client.quarantined() == ()


async def test_a_tool_may_want_its_run_to_fail_and_the_record_says_why(new_house):
    house = new_house(ScriptedProvider())
    at = await claimed_by_one_who_dies(house, "pay")
    await see_redis(house, 25)
    await house.carry()

    record = house.record(at.run_key)
    assert (record.outcome, record.status, house.provider.cancels) == (Outcome.FAILED, "cancelled", 1)
    assert record.transitions[-1].data["reason"] == "outcome_unknown"
    call = record.tool_calls[0]
    assert (call.state, call.kind, call.output) == (CallState.UNKNOWN, "unknown_outcome", None)
    assert house.client.quarantined() == ()


async def test_a_call_that_three_workers_died_with_alone_is_run_no_more(new_house):
    house = new_house(ScriptedProvider())
    at = CallAddress(await in_tools(house, "look"), 1, 0)
    for _ in range(3):
        await dies_with(house, at)
    await house.carry()

    record = house.record(at.run_key)
    call = record.tool_calls[0]
    assert (record.outcome, call.kind, call.quarantined) == (Outcome.COMPLETED, "unknown_outcome", True)
    assert (call.attempts, call.deaths, house.entered) == (3, 3, [])
    assert [e.type for e in record.transitions].count("tool.quarantined") == 1


async def test_calls_that_died_together_are_run_again_apart_and_none_has_a_strike(new_house):
    house = new_house(ScriptedProvider())
    key = await in_tools(house, *["look"] * 4)
    calls = [CallAddress(key, 1, index) for index in range(4)]
    for _ in range(3):
        await dies_with(house, *calls)

    rows = house.backend.sync.hgetall(house.backend.keys.calls(key))
    assert {rows[f"1:{index}:strikes"] for index in range(4)} == {"0"}
    assert {rows[f"1:{index}:deaths"] for index in range(4)} == {"3"}
    assert len({rows[f"1:{index}:not_before_ms"] for index in range(4)}) == 4
    await house.carry()
    assert house.record(key).outcome is Outcome.COMPLETED


# Runs.


class Poisonous(ScriptedProvider):
    """Kills whoever reads the run `run_1`; counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.killed = 0
        self.mended = False

    async def get_run(self, thread_id, run_id):
        if run_id == "run_1" and not self.mended:
            self.killed += 1
            raise Died
        return await super().get_run(thread_id, run_id)


async def live(house, name: str, seconds: int) -> bool:
    """Let a runs worker serve what is due until it dies; true: it did."""
    engine = house.engine(worker_id=name)
    for _ in range(seconds * 4):
        house.turn(0.25)
        house.observer.saw_redis("redis-1")
        house.backend.sync.zadd(house.backend.keys.workers(), {name: house.backend.now_ms()})
        for stage in [stage for stage, due in house.due().items() if due <= 0]:
            try:
                await house.serve(stage, engine)
            except Died:
                await asyncio.gather(*engine._under_way, return_exceptions=True)  # all that it had in hand
                return True
    return False


@pytest.fixture
async def poisoned(new_house):
    """A house whose first run kills its workers, after four of them are dead."""
    house = new_house(Poisonous())
    key = house.enqueue(idempotency_key="poison", deadline_seconds=600)
    for at in range(4):
        assert await live(house, f"runs@{at}", 60)
    return house, key


async def test_a_run_that_kills_its_workers_is_left_alone_after_three_strikes_while_others_complete(poisoned):
    house, key = poisoned
    others = [house.enqueue() for _ in range(3)]
    assert not await live(house, "runs@last", 60)

    assert house.provider.killed == 4
    assert [one.place for one in house.client.quarantined()] == [key]
    assert {house.record(other).outcome for other in others} == {Outcome.COMPLETED}


async def test_at_its_deadline_it_ends_as_lost_and_the_provider_hears_one_cancel(poisoned):
    house, key = poisoned
    assert not await live(house, "runs@last", 30)
    house.provider.requests.clear()
    assert not await live(house, "runs@last", 600)

    record = house.record(key)
    assert (record.outcome, record.unconfirmed, record.missing) == (
        Outcome.LOST, True, ("steps", "messages", "usage"),
    )  # fmt: skip
    assert house.provider.requests == ["cancel_run"]
    assert record.transitions[-1].data["reason"] == "quarantined"
    assert house.events(key).count("run.finished") == 1
    assert (house.due(), house.client.quarantined()) == ({}, ())


async def test_a_cancel_ends_it_at_once(poisoned):
    house, key = poisoned
    assert not await live(house, "runs@last", 30)
    house.client.cancel(key)
    assert not await live(house, "runs@last", 5)

    assert (house.record(key).outcome, house.provider.killed) == (Outcome.CANCELLED, 4)


async def test_a_cancel_whose_answer_kills_too_is_sent_once_and_the_run_has_ended_before(poisoned):
    house, key = poisoned
    assert not await live(house, "runs@last", 30)
    house.client.cancel(key)
    house.provider.hook = die
    assert await live(house, "runs@killed", 5)
    assert not await live(house, "runs@next", 60)

    assert (house.record(key).outcome, house.record(key).unconfirmed) == (Outcome.CANCELLED, True)
    assert house.provider.requests.count("cancel_run") == 1


async def test_a_released_run_is_carried_on_where_it_was(poisoned):
    house, key = poisoned
    assert not await live(house, "runs@last", 30)
    house.provider.mended = True
    house.client.release(key)
    assert not await live(house, "runs@last", 60)

    assert house.record(key).outcome is Outcome.COMPLETED


async def die(operation: str, when: str) -> None:
    raise Died


async def test_the_suspects_of_a_dead_worker_all_complete(new_house):
    house = new_house(ScriptedProvider())
    keys = [house.enqueue() for _ in range(6)]
    house.provider.hook, calm = die, house.provider.hook
    assert await live(house, "runs@first", 5)
    house.provider.hook = calm

    assert not await live(house, "runs@next", 60)
    assert {house.record(key).outcome for key in keys} == {Outcome.COMPLETED}


async def test_a_process_has_one_suspect_in_hand_and_any_number_of_others(new_house):
    house = new_house(ScriptedProvider())
    suspects = {house.enqueue() for _ in range(3)}
    house.provider.hook = die
    assert await live(house, "runs@first", 5)
    for _ in range(25):
        house.turn(1)
        house.observer.saw_redis("redis-1")
    answered = asyncio.Event()

    async def hang(operation: str, when: str) -> None:
        await answered.wait()

    house.provider.hook = hang
    slot = SuspectSlot()
    engines = [house.engine(worker_id="runs@next", suspects=slot) for _ in range(2)]
    assert await engines[0].serve(Stage.CREATE) == 1
    others = {house.enqueue() for _ in range(2)}
    house.turn(0.1)
    assert [await engine.serve(Stage.CREATE) for engine in engines] == [2, 0]
    in_hand = {key for key in suspects | others if house.stored(key).get("holder") == "runs@next"}
    assert (len(in_hand & suspects), in_hand & others) == (1, others)

    answered.set()
    await engines[0].finish()
    house.turn(0.1)
    assert await engines[1].serve(Stage.CREATE) == 1
    await engines[1].finish()


async def test_an_unreadable_record_waits_for_a_person_and_goes_on_once_it_is_mended(new_house):
    house = new_house()
    key = house.enqueue()
    record = house.backend.keys.run(key)
    house.backend.sync.hset(record, "progress", '{"intent":{"effect":"undo"}}')
    pauses = []
    for _ in range(12):
        await house.serve(Stage.CREATE)
        pauses.append(house.due()[Stage.CREATE])
        house.turn(pauses[-1])

    assert pauses == [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600]
    assert [(one.place, one.state) for one in house.client.quarantined()] == [(key, "unreadable")]
    assert house.events(key)[1:] == ["run.quarantined"]

    house.backend.sync.hset(
        record, mapping={"progress": "{}", "deadline_ms": house.backend.now_ms() + 600_000}
    )
    house.client.release(key)
    await house.carry()
    assert (house.record(key).outcome, house.client.quarantined()) == (Outcome.COMPLETED, ())
