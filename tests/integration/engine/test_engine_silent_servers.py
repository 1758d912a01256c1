"""Servers that keep metadata to themselves: our run is found by other signs, or nothing is sent again."""

from __future__ import annotations

from functools import partial

import pytest

from tests.integration.engine.served_house import ServedHouse
from threadrun.status import Outcome, Stage
from threadrun.testing import FaultPlan, FaultRule, Quirk
from threadrun.testing.faults import Fault
from worker.echo import SIGHTS, Echo


def answer_lost() -> FaultPlan:
    """Lose the answer to one create; a plan counts, so each server has its own."""
    return FaultPlan([FaultRule(fault=Fault.CONNECTION_CLOSED, operation="create_run", times=1)])


@pytest.fixture
async def house(backend, monkeypatch):
    house = ServedHouse(backend, Quirk.METADATA_NULL, Quirk.NO_ACTIVE_RUN_LIMIT, metadata_echoed=False)
    monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
    yield house
    await house.aclose()


async def test_a_run_whose_answer_was_lost_is_found_on_the_thread_that_was_made_for_it(house):
    house.server.faults = answer_lost()
    key = house.enqueue()
    await house.carry()

    assert house.record(key).outcome is Outcome.COMPLETED
    assert house.events(key).count("run.adopted") == 1
    assert len(house.server.runs()) == 1


async def test_on_a_thread_with_other_runs_ours_is_the_one_that_came_after_the_newest_of_them(house):
    thread = await house.thread()
    earlier = [await house.foreign_run(thread) for _ in range(2)]
    house.server.faults = answer_lost()
    key = house.enqueue(thread_id=thread)
    await house.carry()

    assert house.record(key).outcome is Outcome.COMPLETED
    assert house.events(key).count("run.adopted") == 1
    assert house.record(key).run_id not in earlier
    assert len(house.server.runs()) == 3


async def test_a_create_that_cannot_be_found_is_lost_and_no_message_is_added_twice(house):
    thread = await house.thread()
    await house.foreign_run(thread)
    house.road.to_lose = 1
    key = house.enqueue(thread_id=thread, messages="say again")
    await house.carry()

    assert house.record(key).outcome is Outcome.LOST
    assert house.events(key).count("run.create_sent") == 1


async def test_two_that_cannot_be_told_apart_are_left_alone(house):
    thread = await house.thread()
    house.road.to_lose = 1
    key = house.enqueue(thread_id=thread)
    await house.serve(Stage.CREATE)
    foreign = [await house.foreign_run(thread) for _ in range(2)]
    await house.carry()

    assert house.record(key).outcome is Outcome.LOST
    assert [run["status"] for run in house.server.runs() if run["id"] in foreign] == ["completed"] * 2


async def test_a_server_is_known_by_what_it_shows_of_our_own_runs_and_a_slip_changes_nothing(house):
    echo = Echo("default")
    house.enqueue(messages="think 10\nsay hi")
    await house.serve(Stage.CREATE, house.engine(echo=echo))
    assert not echo.missing  # one sight could be a slip
    for _ in range(SIGHTS):
        house.turn(1)
        await house.serve(Stage.POLL, house.engine(echo=echo))
    assert echo.missing


async def test_where_metadata_comes_back_a_foreign_run_is_never_taken_over(backend, monkeypatch):
    house = ServedHouse(backend, Quirk.NO_ACTIVE_RUN_LIMIT)
    monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
    thread = await house.thread()
    house.road.to_lose = 1
    key = house.enqueue(thread_id=thread)
    await house.serve(Stage.CREATE)
    foreign = await house.foreign_run(thread)
    await house.carry()

    assert house.record(key).outcome is Outcome.COMPLETED
    assert house.record(key).run_id != foreign
    assert house.events(key).count("run.create_sent") == 2
    await house.aclose()


async def test_a_server_that_nobody_knew_yet_shows_in_the_search_itself_that_nothing_must_be_sent_again(
    backend, monkeypatch
):
    house = ServedHouse(backend, Quirk.METADATA_NULL, Quirk.NO_ACTIVE_RUN_LIMIT)
    monkeypatch.setattr("worker.redis_clock.time", house.monotonic_module())
    house.desk = partial(house.desk, echo=Echo("default"))
    thread = await house.thread()
    house.server.faults = answer_lost()
    key = house.enqueue(thread_id=thread, messages="say once")
    await house.carry()

    assert house.record(key).outcome is Outcome.LOST
    assert house.events(key).count("run.create_sent") == len(house.server.runs()) == 1
    await house.aclose()
