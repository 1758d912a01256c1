"""The tick wakes the stages that have due runs, and no others, once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.status import Stage
from worker.outbox import Outbox
from worker.publisher import Message
from worker.tick import TASK_OF_STAGE, Tick

KEYS = Keys("t:")


class Sent:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def take(self) -> list[tuple[str, tuple[Any, ...], str]]:
        taken = [(m.task, m.args, m.queue) for m in self.messages]
        self.messages.clear()
        return taken


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis(server=FakeServer(), decode_responses=True, protocol=2)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def new_tick(redis, sent) -> Callable[[], Tick]:
    return lambda: Tick(
        redis, KEYS, ["default", "azure"], cast(Outbox, sent), tick_ms=50, retention_seconds=604_800
    )


def make_due(redis: FakeRedis, stage: Stage, profile: str = "default", in_seconds: float = 0) -> None:
    seconds, micro = redis.time()
    at = int(seconds * 1000 + micro // 1000 + in_seconds * 1000)  # as the scripts count: whole ones
    redis.zadd(KEYS.agenda(stage, profile), {"k1": at, "k2": at})


def test_nothing_due_sends_nothing(redis, sent, new_tick):
    make_due(redis, Stage.POLL, in_seconds=60)

    assert (new_tick().once(), sent.take()) == (0, [])


@pytest.mark.parametrize("stage", TASK_OF_STAGE)
def test_every_stage_with_a_due_run_gets_one_message_that_names_the_profile_and_no_run(
    redis, sent, new_tick, stage
):
    make_due(redis, stage, "azure")

    assert new_tick().once() == 1
    assert sent.take() == [(TASK_OF_STAGE[stage], ("azure",), "runs")]


def test_only_done_has_no_task():
    assert set(Stage) - TASK_OF_STAGE.keys() == {Stage.DONE}


def test_a_wake_up_under_way_is_not_sent_again_by_any_worker(redis, sent, new_tick):
    make_due(redis, Stage.POLL)
    first, second = new_tick(), new_tick()

    assert [first.once(), second.once(), first.once()] == [1, 0, 0]


def test_a_wake_up_whose_message_was_lost_is_sent_again_when_its_mark_lapses(redis, sent, new_tick):
    make_due(redis, Stage.POLL)
    tick = new_tick()
    tick.once()
    redis.delete(KEYS.wake(Stage.POLL, "default"))

    assert tick.once() == 1


def test_a_run_just_enqueued_is_due(redis, sent, new_tick):
    RunClient(redis, key_prefix="t:").enqueue("asst", messages="hi")
    new_tick().once()

    assert sent.take() == [("runs.create", ("default",), "runs")]


def test_a_redis_that_is_away_is_told_once_and_ticking_goes_on(redis, sent, new_tick, monkeypatch):
    make_due(redis, Stage.POLL)
    tick = new_tick()
    call = tick._scripts.call

    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    with capture_logs() as logs:
        monkeypatch.setattr(tick._scripts, "call", down)
        assert [tick.once(), tick.once()] == [0, 0]
        monkeypatch.setattr(tick._scripts, "call", call)
        assert tick.once() == 1

    assert [line["event"] for line in logs] == ["tick.failed", "tick.resumed"]


def test_once_a_minute_old_entries_of_the_indexes_and_catalogues_go(redis, sent, new_tick, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("worker.tick.time.monotonic", lambda: now[0])
    tick = new_tick()
    seconds, _ = redis.time()
    today, long_ago = seconds * 1000, (seconds - 100 * 86_400) * 1000
    redis.zadd(KEYS.index_runs(), {"new": today, "old": long_ago})
    redis.zadd(KEYS.workers(), {"tools@new": today, "tools@old": long_ago})
    redis.zadd(KEYS.tools_seen(), {"add": today, "gone": long_ago})
    redis.hset(KEYS.tools(), mapping={"add": "{}", "gone": "{}"})

    tick.once()
    assert redis.zcard(KEYS.index_runs()) == 2
    now[0] += 60
    tick.once()

    assert redis.zrange(KEYS.index_runs(), 0, -1) == ["new"]
    assert redis.zrange(KEYS.workers(), 0, -1) == ["tools@new"]
    assert redis.hkeys(KEYS.tools()) == ["add"]


def test_it_ticks_in_its_thread_until_stopped(redis, new_tick):
    tick = new_tick()
    make_due(redis, Stage.POLL)
    woken = []
    original = tick.once

    def once() -> int:
        woken.append(original())
        tick._stop.set()
        return 0

    tick.once = once
    tick.start()
    tick._thread.join(5)
    tick.stop()

    assert woken == [1]


def test_what_this_process_serves_itself_is_sent_to_nobody(redis, sent):
    served: list[tuple[Stage, str]] = []

    def serves_itself(stage: Stage, profile: str) -> bool:
        served.append((stage, profile))
        return stage is Stage.POLL

    tick = Tick(
        redis, KEYS, ["default"], cast(Outbox, sent), tick_ms=50, retention_seconds=604_800,
        serves_itself=serves_itself,
    )  # fmt: skip
    make_due(redis, Stage.POLL)
    make_due(redis, Stage.CREATE)

    assert tick.once() == 2
    assert set(served) == {(Stage.POLL, "default"), (Stage.CREATE, "default")}
    assert sent.take() == [("runs.create", ("default",), "runs")]


def test_who_has_had_nothing_to_do_for_a_while_ticks_less_often_until_there_is_something(redis, monkeypatch):
    now, looks = [1_000.0], [False]
    monkeypatch.setattr("worker.tick.time.monotonic", lambda: now[0])
    tick = Tick(
        redis, KEYS, ["default"], cast(Outbox, Sent()), tick_ms=50, retention_seconds=604_800,
        look=lambda: looks[0],
    )  # fmt: skip

    def pause_after(seconds: float) -> float:
        now[0] += seconds
        tick.once()
        return tick.pause_seconds

    assert [pause_after(2), pause_after(0.1)] == [0.05, pytest.approx(0.15)]
    make_due(redis, Stage.POLL)
    assert pause_after(1) == 0.05
    redis.delete(KEYS.agenda(Stage.POLL, "default"))
    assert pause_after(3) == pytest.approx(0.15)
    looks[0] = True
    assert pause_after(1) == 0.05
