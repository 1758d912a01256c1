"""A run at work is looked at again by the engine that looked last, without a claim; others step in if it does not."""

from __future__ import annotations

from collections import Counter

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.records import ProviderAnswer
from threadrun.status import Outcome, Stage
from worker.attended import SPARE_MS
from worker.backoff import Fixed
from worker.decide.rules import Rules
from worker.engine import Engine
from worker.providers.base import Unknown
from worker.store.scripts import Scripts


@pytest.fixture
def scripts(monkeypatch):
    """Count what is asked of Redis, by script."""
    counts: Counter[str] = Counter()
    call = Scripts.call

    def noting(self, name, keys, args):
        counts[name] += 1
        return call(self, name, keys, args)

    monkeypatch.setattr(Scripts, "call", noting)
    return counts


def attending(house, most=100, **parts):
    return Engine(house.desk(**parts), "default", 20, 100, most)


async def look(engine):
    engine.look()
    await engine.finish()


async def look_each_second(house, engine, times):
    for _ in range(times):
        house.turn(1)
        await look(engine)


async def at_work(house, engine, **options):
    """Enqueue a run and carry it to where the provider works on it."""
    key = house.enqueue(**options)
    await house.serve(Stage.CREATE, engine)
    return key


def work_on(house):
    """Have the provider show the run at work, and never anything else."""
    house.provider._step = lambda run: run.update(status="in_progress")


def claims(house, key):
    return int(house.stored(key)["claim"])


def reads(house):
    return house.provider.requests.count("get_run")


async def test_looks_at_a_run_at_work_need_no_claim_and_an_unchanged_one_writes_nothing(new_house, scripts):
    house = new_house()
    engine = attending(house)
    await at_work(house, engine)
    work_on(house)
    house.turn(1)
    await look(engine)  # in_progress: that is written
    scripts.clear()
    await look_each_second(house, engine, times=3)

    assert reads(house) == 4
    assert scripts == {}


async def test_a_run_is_carried_to_its_end_with_one_claim_before_and_one_after_its_tools(new_house):
    house = new_house(ScriptedProvider(["add"]))
    engine = attending(house)
    key = await at_work(house, engine)
    while house.record(key).stage is not Stage.DONE:
        await house.run_handlers()
        await house.serve(Stage.SUBMIT, engine)
        house.turn(1)
        await look(engine)
    record = house.record(key)

    assert (record.outcome, claims(house, key)) == (Outcome.COMPLETED, 2)
    assert (record.polls, record.requests) == (reads(house), len(house.provider.requests))


async def test_the_outputs_that_were_sent_are_not_kept_in_mind(new_house):
    house = new_house(ScriptedProvider(["add"]))
    engine = attending(house)
    await at_work(house, engine)
    while not house.provider.submitted:
        await house.run_handlers()
        await house.serve(Stage.SUBMIT, engine)
        house.turn(1)
        await look(engine)

    assert [attended.run.calls for attended in engine._attended.take_all()] == [()]


async def test_a_look_that_is_not_due_is_not_made(new_house):
    house = new_house()
    engine = attending(house)
    await at_work(house, engine)
    house.turn(0.9)
    await look(engine)

    assert reads(house) == 0


async def test_whoever_finds_the_run_of_a_dead_worker_due_carries_it_on_seconds_later(new_house):
    house = new_house()
    key = await at_work(house, attending(house))

    assert house.due() == {Stage.POLL: 1 + SPARE_MS / 1000}
    await house.carry()
    assert (house.record(key).outcome, house.stored(key).get("strikes", "")) == (Outcome.COMPLETED, "")


async def test_a_wish_to_cancel_is_seen_at_once_and_the_look_of_the_first_holder_changes_nothing(new_house):
    house = new_house()
    first = attending(house)
    key = await at_work(house, first)
    house.client.cancel(key)
    assert house.due() == {Stage.POLL: 0}
    await house.serve(Stage.POLL, attending(house, store=house.new_store()))
    events = house.events(key)
    house.turn(1)

    await look(first)
    assert house.record(key).stage is Stage.CANCEL
    assert house.events(key) == events


async def test_where_the_provider_is_slow_nobody_finds_a_run_due_while_it_is_looked_at(new_house):
    house = new_house()
    engine = attending(house)
    await at_work(house, engine)
    work_on(house)
    found_due = []

    async def slow(operation, when):
        if (operation, when) == ("get_run", "before"):
            house.turn(6)
            found_due.append(house.due()[Stage.POLL] <= 0)

    house.provider.hook = slow
    for _ in range(4):
        house.turn(1)
        await look(engine)
        await house.serve(Stage.POLL, engine)

    assert found_due == [True, False, False, False]  # at the first look nobody knew


async def test_a_worker_with_too_few_slots_for_its_looks_leaves_runs_to_one_that_has_some(new_house):
    house = new_house()
    busy = Engine(house.desk(), "default", 1, 100, 100)
    idle = attending(house, store=house.new_store())
    for _ in range(4):
        await at_work(house, busy)
    work_on(house)

    async def slow(operation, when):
        if (operation, when) == ("get_run", "before"):
            house.turn(1)
            if reads(house) == 12:
                busy.drain()

    house.provider.hook = slow
    house.turn(1)
    await look(busy)
    house.turn(1)

    assert await house.serve(Stage.POLL, idle) >= 2


async def test_a_worker_that_was_suspended_does_not_look_at_what_others_have_taken_over(new_house):
    house = new_house()
    first, other = attending(house), attending(house, store=house.new_store())
    await at_work(house, first)
    work_on(house)
    house.turn(30)
    await house.serve(Stage.POLL, other)
    assert reads(house) == 1

    await look(first)
    assert reads(house) == 1


async def test_a_claim_of_its_own_ends_what_an_engine_attends(new_house):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    house.client.cancel(key)
    await house.serve(Stage.POLL, engine)
    assert house.record(key).stage is Stage.CANCEL
    house.turn(1)

    await look(engine)
    assert (claims(house, key), reads(house)) == (2, 0)


async def test_looks_before_a_claim_of_its_own_are_counted_in_the_record(new_house):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    work_on(house)
    await look_each_second(house, engine, times=3)
    house.client.cancel(key)
    while house.record(key).stage is not Stage.DONE:
        for stage in (Stage.POLL, Stage.CANCEL, Stage.FINALIZE):
            await house.serve(stage, engine)
        house.turn(1)

    assert house.record(key).requests == len(house.provider.requests)


async def test_an_entry_is_put_off_again_before_others_would_find_it_due(new_house, scripts):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    work_on(house)
    for _ in range(20):
        house.turn(1)
        await look(engine)
        assert house.due()[Stage.POLL] >= 2

    assert (claims(house, key), reads(house)) == (1, 20)
    assert 4 <= scripts["attend"] <= 7


async def test_by_a_clock_that_has_just_jumped_no_run_is_attended_and_none_is_timed_out(new_house):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    work_on(house)
    house.observer.clock.read(house.backend.now_ms(), 0, house.seconds)
    await look_each_second(house, engine, times=4)
    agenda = house.backend.dump("agenda:")

    house.backend.turn(3_600)  # Redis's clock alone
    house.turn(1)
    await look(engine)  # now the entry is to be put off
    assert house.backend.dump("agenda:") == agenda
    house.backend.sync.hset(house.backend.keys.clock(), "ahead_ms", 3_600_000)  # as the next tick does
    house.turn(1)
    await look(engine)
    assert (house.record(key).stage, reads(house)) == (Stage.POLL, 5)


async def test_a_run_whose_look_meets_a_redis_that_is_gone_is_left_to_its_entry(new_house):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    commit = house.store.commit

    async def gone(*_):
        raise RedisConnectionError

    house.store.commit = gone
    house.turn(1)
    await look(engine)
    house.store.commit = commit

    await house.carry()
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_a_claim_that_redis_has_lost_is_attended_no_longer_than_seconds(new_house):
    house = new_house()
    one = attending(house, worker_id="one")
    other = attending(house, store=house.new_store(), worker_id="other")
    key = await at_work(house, attending(house, most=0))
    work_on(house)
    house.turn(1)
    async with house.lost(key):
        await house.serve(Stage.POLL, one)
    await house.serve(Stage.POLL, other)
    assert claims(house, key) == 2  # the same number, and both look
    looks = []
    for _ in range(12):
        house.turn(1)
        before = reads(house)
        await look(one)
        looks.append(reads(house) - before)
        await look(other)

    assert looks[6:] == [0] * 6
    assert claims(house, key) == 2


async def test_of_two_who_hold_a_claim_of_the_same_number_only_the_first_writes(new_house):
    house = new_house()
    one = attending(house, worker_id="one")
    other = attending(house, store=house.new_store(), worker_id="other")
    key = await at_work(house, attending(house, most=0), on_done="app.done")
    house.turn(1)
    async with house.lost(key):
        await house.serve(Stage.POLL, one)
    house.provider.runs["run_1"]["status"] = "queued"
    await house.serve(Stage.POLL, other)  # both have seen it in_progress
    house.turn(1)
    house.provider.answers["get_run"] = [Unknown("timeout", ProviderAnswer())]
    await look(one)
    await look(other)  # it sees the run's end, and may not take the other's write for its own

    assert house.record(key).stage is Stage.POLL
    await house.carry()
    assert house.record(key).outcome is Outcome.COMPLETED
    assert [message.task for message in house.outbox.sent] == ["app.done"]


async def test_a_draining_worker_leaves_each_run_due_at_its_look(new_house):
    house = new_house()
    engine = attending(house)
    key = await at_work(house, engine)
    house.turn(0.25)
    engine.drain()
    engine.leave_attended()
    await engine.finish()

    assert house.due() == {Stage.POLL: 0.75}
    await look(engine)
    assert reads(house) == 0
    await house.carry()
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_a_draining_worker_leaves_a_run_that_is_looked_at_much_later_to_its_entry(new_house, scripts):
    house = new_house(rules=Rules(poll=Fixed(60_000, jitter=0)))
    engine = attending(house)
    key = await at_work(house, engine)
    engine.drain()
    engine.leave_attended()
    await engine.finish()

    assert (scripts["attend"], house.due()) == (0, {Stage.POLL: 60 + SPARE_MS / 1000})
    await house.carry()
    assert house.record(key).outcome is Outcome.COMPLETED


async def test_a_look_under_way_when_the_worker_drains_leaves_its_run_too(new_house):
    house = new_house()
    engine = attending(house)
    await at_work(house, engine)

    async def drain(operation, when):
        engine.drain()

    house.provider.hook = drain
    house.turn(1)
    await look(engine)

    assert house.due() == {Stage.POLL: 1}


async def test_more_runs_than_an_engine_keeps_in_mind_are_given_back(new_house):
    house = new_house()
    engine = attending(house, most=1)
    await at_work(house, engine)
    await at_work(house, engine)
    house.turn(1)

    assert await house.serve(Stage.POLL, engine) == 1


async def test_looks_that_find_no_slot_have_their_turn_when_one_is_free(new_house):
    house = new_house()
    engine = Engine(house.desk(), "default", 1, 100, 100)
    for _ in range(3):
        await at_work(house, engine)
    house.turn(1)
    await look(engine)

    assert reads(house) == 3
