"""A create that was given up takes effect after all: its run is found and cancelled, whatever became of ours."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.integration.engine.served_house import ServedHouse
from threadrun.status import Outcome, Stage
from threadrun.testing import FaultPlan, FaultRule, Quirk
from threadrun.testing.faults import Fault
from worker.twin_finder import TwinFinder

LONG = "think 300\nsay hi"


@pytest.fixture
async def new_served(backend, monkeypatch):
    houses = []

    def build(*quirks: Quirk) -> ServedHouse:
        house = ServedHouse(backend, Quirk.NO_ACTIVE_RUN_LIMIT, *quirks)
        monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
        houses.append(house)
        return house

    yield build
    for house in houses:
        await house.aclose()


async def look_on(house: ServedHouse, seconds: float = 70) -> list[str]:
    """Look after the watches, as every worker does once a second; gives the names of what was logged."""
    with capture_logs() as lines:
        for _ in range(round(seconds)):
            await TwinFinder(house.desk(), "default").serve()
            house.turn(1)
    return [line["event"] for line in lines if "twin" in line["event"]]


def left(house: ServedHouse) -> list[str]:
    """Name the runs at the server that nobody cancelled and that are not our run."""
    return [run["id"] for run in house.server.runs() if run["status"] not in {"cancelled", "cancelling"}]


async def test_the_original_create_that_lands_late_is_cancelled(new_served):
    house = new_served()
    house.road.to_lose = 1
    key = house.enqueue(messages=LONG)
    await house.carry(until=Stage.POLL)
    (late,) = await house.road.deliver()

    logged = await look_on(house, 20)

    assert left(house) == [house.record(key).run_id]
    assert house.server.run(late.value.id)["status"] == "cancelled"
    assert logged == ["run.twin_found", "run.twin_cancelled"]


async def test_it_is_cancelled_when_our_run_has_finished_by_then_and_the_record_stays_as_it_is(new_served):
    house = new_served()
    house.road.to_lose = 1
    key = house.enqueue(messages="say hi")
    await house.carry()
    before = house.backend.dump(f"run:{key}")
    house.turn(20)
    late = [reply.value.id for reply in await house.road.deliver()]

    await look_on(house)

    after = house.backend.dump(f"run:{key}")
    assert house.record(key).outcome is Outcome.COMPLETED
    assert {name: after[name] for name in after if not name.endswith("/twins")} == {
        name: before[name] for name in before if not name.endswith("/twins")
    }
    assert [effect.run_id for effect in house.server.effects("run.cancelled")] == late
    assert not [name for name in house.backend.left() if "twins" in name]


async def test_a_create_given_up_for_a_cancel_and_landing_later_is_cancelled_too(new_served):
    house = new_served()
    house.road.to_lose = 1
    key = house.enqueue(messages=LONG)
    await house.serve(Stage.CREATE)
    house.client.cancel(key)
    await house.carry()
    assert (house.record(key).outcome, house.record(key).run_id) == (Outcome.CANCELLED, None)
    await house.road.deliver()

    await look_on(house)

    assert left(house) == []


async def test_a_twin_that_waits_for_outputs_where_only_working_runs_can_be_cancelled_gets_them(new_served):
    house = new_served(Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS)
    house.road.to_lose = 1
    key = house.enqueue(messages='call add {"a": 1}\nthink 300\nsay $1')
    await house.carry(until=Stage.TOOLS)
    await house.road.deliver()
    house.turn(1)

    await look_on(house, 30)

    assert left(house) == [house.record(key).run_id]


async def test_a_list_that_fails_is_read_again_until_the_twin_is_found(new_served):
    house = new_served()
    house.road.to_lose = 1
    key = house.enqueue(messages=LONG)
    await house.carry(until=Stage.POLL)
    await house.road.deliver()
    house.server.faults = FaultPlan([FaultRule(fault=Fault.SERVER_ERROR, operation="list_runs", times=2)])

    await look_on(house, 40)

    assert left(house) == [house.record(key).run_id]


async def test_an_undoubted_run_is_not_watched(new_served):
    house = new_served()
    house.enqueue()
    await house.carry()

    assert not [name for name in house.backend.left() if "twins" in name]
