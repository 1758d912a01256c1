"""A claim is kept through a long advance, and lost work is dropped."""

from __future__ import annotations

from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.status import Outcome, Stage


async def test_a_slow_finalize_keeps_its_claim_though_it_takes_longer_than_a_lease(new_house):
    """Else another would begin to gather before this one can write, and so on for ever."""
    house = new_house()
    house.provider.usage = None
    key = house.enqueue()
    await house.carry(until=Stage.FINALIZE)
    thief = house.engine(store=house.new_store(), provider=ScriptedProvider())
    stolen = 0

    async def slowly(operation: str, when: str) -> None:
        nonlocal stolen
        if when == "before":
            house.turn(9)
            stolen += await house.serve(Stage.FINALIZE, thief)

    house.provider.hook = slowly
    await house.carry(most=60)

    assert stolen == 0
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_a_holder_whose_claim_lapsed_sends_nothing_more(new_house):
    house = new_house()
    key = house.enqueue()
    other = house.engine(store=house.new_store())
    served = []

    async def sleep_through_the_lease(operation: str, when: str) -> None:
        if (operation, when) == ("create_thread", "after") and not served:
            house.turn(20)
            served.append(0)
            served.append(await house.serve(Stage.CREATE, other))

    house.provider.hook = sleep_through_the_lease
    await house.serve(Stage.CREATE)
    await house.carry()

    assert served[1] == 1
    assert len(house.provider.runs) == 1
    assert house.provider.requests.count("create_run") == 1
    assert house.record(key).thread_id == house.provider.runs["run_1"]["thread_id"]


async def test_a_holder_that_stalls_between_its_intent_and_its_post_does_not_post(new_house, monkeypatch):
    """When it goes on, others have given its POST up, and repeated it."""
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    other = house.engine(store=house.new_store())
    write = house.store.commit
    stalled = []

    async def stall(*args):
        value = await write(*args)
        if not stalled and "intent" in house.backend.sync.hget(house.backend.keys.run(key), "progress"):
            stalled.append(True)
            for _ in range(6):
                house.turn(20)
                await house.serve(Stage.CREATE, other)
        return value

    monkeypatch.setattr(house.store, "commit", stall)
    await house.serve(Stage.CREATE)

    assert stalled
    assert house.provider.requests.count("create_run") == 1
    await house.carry()
    assert len(house.provider.runs) == 1
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_after_a_gap_in_redis_a_create_searches_before_it_posts(new_house):
    house = new_house()
    house.enqueue(thread_id="thread_x")
    house.observer.saw_redis("a")
    house.turn(1)
    house.observer.saw_redis("b")  # a restart, or a failover
    await house.serve(Stage.CREATE)
    assert house.provider.requests == ["list_runs", "create_run"]

    house.turn(60)
    house.enqueue(thread_id="thread_y")
    await house.serve(Stage.CREATE)
    assert house.provider.requests[2:] == ["create_run"]
