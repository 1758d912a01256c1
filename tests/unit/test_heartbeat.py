"""A worker says that it lives, what it serves, and that it left."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from threadrun.keys import Keys
from worker.heartbeat import Heartbeat, Served
from worker.observer import Observer

KEYS = Keys("t:")
ENTRY = {"queue": "tools", "timeout_seconds": 60.0, "idempotent": False}
SERVED = Served("tools@a/1", {"kind": "tools", "pid": "7"}, {"add": ENTRY}, ["default"])


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis(server=FakeServer(), decode_responses=True, protocol=2)


class Watcher(Observer):
    """An observer that counts what it is shown."""

    def __init__(self) -> None:
        super().__init__(5, 15)
        self.shown: list[str] = []
        self.steady: list[float] = []

    def saw_redis(
        self, redis_run_id: str, known_seconds: float = float("inf"), steady_seconds: float = 0.0
    ) -> None:
        self.shown.append(redis_run_id)
        self.steady.append(steady_seconds)
        super().saw_redis(redis_run_id, known_seconds, steady_seconds)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def heartbeat(redis, watcher, monkeypatch) -> Heartbeat:
    monkeypatch.setattr(redis, "info", lambda _section: {"run_id": "redis-1"})
    return Heartbeat(redis, KEYS, SERVED, watcher, 0.01)


def test_a_beat_says_that_the_worker_lives_and_what_it_serves(redis, heartbeat, watcher):
    heartbeat.beat()

    seconds, _ = redis.time()
    assert abs(redis.zscore(KEYS.workers(), "tools@a/1") / 1000 - seconds) < 5
    about = redis.hgetall(KEYS.worker("tools@a/1"))
    assert {name: about[name] for name in ("kind", "pid")} == {"kind": "tools", "pid": "7"}
    assert json.loads(redis.hget(KEYS.tools(), "add")) == ENTRY
    assert redis.zrange(KEYS.profiles(), 0, -1) == ["default"]
    assert redis.ttl(KEYS.worker("tools@a/1")) > 0
    assert watcher.shown == ["redis-1"]


def test_a_worker_whose_loop_stands_still_does_not_say_that_it_lives(redis, watcher, monkeypatch):
    monkeypatch.setattr(redis, "info", lambda _section: {"run_id": "redis-1"})
    turns = [True, False]
    heartbeat = Heartbeat(redis, KEYS, SERVED, watcher, 0.01, vouches=lambda: turns[0])
    turns.reverse()
    heartbeat.beat()
    assert (redis.zscore(KEYS.workers(), "tools@a/1"), watcher.shown) == (None, [])

    turns.reverse()
    heartbeat.beat()
    assert watcher.shown == ["redis-1"]


def test_the_first_beat_is_out_when_start_returns_and_more_follow(redis, heartbeat, watcher, monkeypatch):
    beaten = threading.Event()
    beat = heartbeat.beat

    def counting() -> None:
        beat()
        if len(watcher.shown) >= 3:
            beaten.set()

    monkeypatch.setattr(heartbeat, "beat", counting)
    heartbeat.start()
    assert redis.zscore(KEYS.workers(), "tools@a/1") is not None

    assert beaten.wait(5)
    heartbeat.stop()


def test_a_worker_that_ends_cleanly_leaves_the_list_at_once(redis, heartbeat):
    heartbeat.beat()
    heartbeat.stop()

    assert redis.zscore(KEYS.workers(), "tools@a/1") is None


def test_without_redis_a_beat_is_missed_said_once_and_the_next_tries_again(heartbeat, watcher, monkeypatch):
    call = heartbeat._scripts.call

    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    with capture_logs() as logs:
        monkeypatch.setattr(heartbeat._scripts, "call", down)
        heartbeat.beat()
        heartbeat.beat()
        assert watcher.shown == []
        monkeypatch.setattr(heartbeat._scripts, "call", call)
        heartbeat.beat()

    assert [line["event"] for line in logs] == ["heartbeat.missed", "heartbeat.resumed"]
    assert watcher.shown == ["redis-1"]


def test_a_worker_that_cannot_say_goodbye_ends_all_the_same(heartbeat, redis, monkeypatch):
    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(heartbeat._scripts, "call", down)
    with capture_logs() as logs:
        heartbeat.stop()

    assert [line["event"] for line in logs] == ["worker.left_unsaid"]


def test_a_worker_that_starts_after_a_failover_hears_of_it_from_those_who_saw_it(redis, monkeypatch):
    """It has never met the server that lost its last second."""
    server = {"run_id": "redis-1"}
    monkeypatch.setattr(redis, "info", lambda _section: server)
    first, second = Watcher(), Watcher()
    Heartbeat(redis, KEYS, SERVED, first, 0.01).beat()
    assert not first.was_disturbed()

    server["run_id"] = "redis-2"
    Heartbeat(redis, KEYS, SERVED, second, 0.01).beat()

    assert second.was_disturbed()


def test_the_first_workers_of_a_deployment_have_nothing_to_be_careful_about(heartbeat, watcher):
    heartbeat.beat()

    assert not watcher.was_disturbed()


def test_who_starts_learns_for_how_long_others_have_seen_redis_without_a_gap(redis, heartbeat, watcher):
    seconds, _ = redis.time()
    now_ms = seconds * 1000
    redis.hset(
        KEYS.redis(),
        mapping={"run_id": "redis-1", "since_ms": 0, "steady_ms": now_ms - 40_000, "beat_ms": now_ms - 4_000},
    )

    heartbeat.beat()

    assert watcher.steady[0] == pytest.approx(40, abs=2)
    assert watcher.may_judge()


@pytest.mark.parametrize("run_id_and_silence", [("redis-1", 11_000), ("redis-0", 1_000)])
def test_a_gap_of_all_or_another_server_is_no_steady_time(redis, heartbeat, watcher, run_id_and_silence):
    run_id, silent_ms = run_id_and_silence
    seconds, _ = redis.time()
    now_ms = seconds * 1000
    redis.hset(
        KEYS.redis(),
        mapping={
            "run_id": run_id,
            "since_ms": 0,
            "steady_ms": now_ms - 40_000,
            "beat_ms": now_ms - silent_ms,
        },
    )

    heartbeat.beat()

    assert watcher.steady[0] < 2
    assert not watcher.may_judge()
