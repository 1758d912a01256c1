"""The deployment's clock: Redis's, without its jumps."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.integration.carrying import claim_one, claimed
from tests.integration.test_store_tick import Sent, new_tick
from threadrun.status import Stage
from worker.observer import Judging
from worker.redis_clock import JumpWatch
from worker.store.runs import Claimant
from worker.tick import FAR_AHEAD_MS


@pytest.fixture
def sent():
    return Sent()


def set_right(backend, jump_ms=1_000, ahead_ms="0"):
    keys = [
        backend.keys.clock(),
        backend.keys.agenda("create", "default"),
        backend.keys.wake("create", "default"),
    ]
    return backend.scripts.call("clock", keys, [ahead_ms, jump_ms, FAR_AHEAD_MS])


@pytest.fixture
def standing(backend):
    """Give a watch whose monotonic clock stands, whatever Redis's does."""
    return JumpWatch(lambda: 100.0)


@pytest.mark.parametrize("jump_seconds", [3_600, -3_600])
def test_redis_clock_may_jump_and_the_deployments_goes_on(backend, client, sent, standing, jump_seconds):
    tick, key = new_tick(backend, sent, standing), client.enqueue("asst", messages="hi").key
    assert tick.once() == 1
    created = client.get(key).created_at
    backend.turn(jump_seconds)
    with capture_logs() as logs:
        assert (tick.once(), tick.once()) == (0, 1)

    assert [(line["event"], line["seconds"]) for line in logs] == [("clock.jumped", jump_seconds)]
    assert client.enqueue("asst", messages="ho", idempotency_key="after").created
    assert client.get("after").created_at == created


def test_a_jump_is_taken_out_once_though_every_worker_sees_it(backend, client, sent):
    ticks = [new_tick(backend, sent, JumpWatch(lambda: 100.0)) for _ in range(3)]
    for tick in ticks:
        tick.once()
    backend.turn(3_600)
    for tick in ticks:
        tick.once()

    assert backend.sync.hget(backend.keys.clock(), "ahead_ms") == "3600000"
    assert set_right(backend, ahead_ms="0") == 0


async def test_what_was_planned_by_a_wrong_time_is_due_at_once(backend, client, store, sent, standing):
    tick = new_tick(backend, sent, standing)
    tick.once()
    client.enqueue("asst", messages="hi")
    backend.turn(3_600)
    await store.rest(await claim_one(store, Stage.CREATE), 5_000)
    tick.once()

    assert tick.once() == 1


async def test_a_clock_that_was_set_back_while_no_worker_ran_puts_nothing_off(
    backend, client, sent, standing
):
    client.enqueue("asst", messages="hi")
    backend.turn(-3_600)
    tick = new_tick(backend, sent, standing)

    assert [tick.once(), tick.once()] == [0, 1]


def test_until_a_clock_that_is_set_back_is_noticed_time_stands_still(backend, client, sent, standing):
    tick = new_tick(backend, sent, standing)
    assert (tick.once(), tick.once()) == (0, 0)
    key = client.enqueue("asst", messages="hi").key
    backend.turn(-3_600)
    client.cancel(key)

    enqueued, cancelled = client.get(key).transitions
    assert cancelled.at == enqueued.at


def test_a_worker_that_slept_takes_nothing_out_while_others_saw_the_time_pass(backend, client, sent):
    """The clock of a suspended machine stands; to its worker Redis's seems to have jumped."""
    awake = new_tick(backend, sent, JumpWatch(lambda: backend.now_ms() / 1000))
    slept = new_tick(backend, sent, JumpWatch(lambda: 100.0))
    slept.once()
    for _ in range(3):
        awake.once()
        backend.turn(1_200)
    awake.once()
    awake.once()
    client.enqueue("asst", messages="hi")

    assert slept.once() == 1
    assert backend.sync.hget(backend.keys.clock(), "ahead_ms") is None


def test_a_clock_set_back_while_no_worker_ran_goes_on_from_where_it_was(backend, client, sent):
    tick = new_tick(backend, sent, JumpWatch(lambda: backend.now_ms() / 1000))
    tick.once()
    tick.once()
    before = client.get(client.enqueue("asst", messages="hi").key).created_at
    backend.turn(-3_600)
    new_tick(backend, sent, JumpWatch(lambda: 100.0)).once()

    backend.turn(1)
    assert (client.get(client.enqueue("asst", messages="ho").key).created_at - before).total_seconds() == 1


def test_a_clock_that_is_set_back_again_as_soon_as_a_worker_has_begun_goes_on(
    backend, client, sent, standing
):
    new_tick(backend, sent, standing).once()
    before = client.get(client.enqueue("asst", messages="hi").key).created_at
    tick = new_tick(backend, sent, JumpWatch(lambda: 100.0))
    for _ in range(2):
        backend.turn(-3_600)
        tick.once()
        tick.once()

    backend.turn(1)
    assert (client.get(client.enqueue("asst", messages="ho").key).created_at - before).total_seconds() == 1


def test_a_clock_that_is_set_back_while_the_first_worker_begins_stands_still(
    backend, client, sent, standing, monkeypatch
):
    tick = new_tick(backend, sent, standing)
    call = backend.scripts.call

    def set_back_then(name, *arguments):
        if name == "clock":
            backend.turn(-3_600)
        return call(name, *arguments)

    before = client.get(client.enqueue("asst", messages="hi").key).created_at
    with monkeypatch.context() as patched:
        patched.setattr(backend.scripts, "call", set_back_then)
        tick.once()

    assert client.get(client.enqueue("asst", messages="ho").key).created_at == before


@pytest.mark.parametrize("jump_seconds", [3_600, -3_600])
def test_a_jump_that_could_not_be_taken_out_is_taken_out_at_the_next_tick(
    backend, sent, standing, monkeypatch, jump_seconds
):
    tick, call = new_tick(backend, sent, standing), backend.scripts.call
    tick.once()
    backend.turn(jump_seconds)

    def fail_to_take_out(name, *arguments):
        if name == "clock":
            raise RedisConnectionError("gone")
        return call(name, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(backend.scripts, "call", fail_to_take_out)
        tick.once()
    assert backend.sync.hget(backend.keys.clock(), "ahead_ms") is None
    tick.once()

    assert backend.sync.hget(backend.keys.clock(), "ahead_ms") == str(jump_seconds * 1000)


async def test_nothing_is_claimed_and_nobody_judged_by_a_clock_that_has_just_jumped(
    backend, client, store, sent, standing
):
    new_tick(backend, sent, standing).once()
    client.enqueue("asst", messages="hi")
    await claim_one(store, Stage.CREATE)  # its holder is at work
    backend.turn(3_600)
    before = backend.dump()
    by = Claimant("another", Judging.YES, latest_ms=standing.latest_ms)

    assert await claimed(store, Stage.CREATE, by=by) == []
    assert backend.dump() == before


def test_clients_tell_the_deployments_time(backend, client):
    before = client.stats().at
    backend.sync.hset(backend.keys.clock(), "ahead_ms", 3_600_000)

    assert 3_590 < (before - client.stats().at).total_seconds() <= 3_600
