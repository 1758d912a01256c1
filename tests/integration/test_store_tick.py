"""Wake-ups, heartbeats and trimming: what threads of a worker write beside the runs."""

from __future__ import annotations

import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.carrying import claim_one, claimed
from threadrun.status import Stage
from worker import tick as tick_module
from worker.heartbeat import Heartbeat, Served
from worker.observer import Observer
from worker.redis_clock import JumpWatch
from worker.tick import (
    LONGEST_WAKE_LIFE_MS,
    TASK_OF_STAGE,
    TRIM_LIMIT,
    UNSEEN_LIFE_MS,
    WAKE_LIFE_MS,
    Tick,
)

DAY_MS = 86_400_000


class Sent:
    """Take the tick's messages in place of the outbox."""

    def __init__(self) -> None:
        self.wakes: list[tuple[str, str]] = []

    def send(self, message):
        assert message.queue == "runs"
        assert not message.kwargs
        self.wakes.append((message.task, *message.args))


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
def tick(backend, sent):
    return new_tick(backend, sent, JumpWatch(lambda: backend.now_ms() / 1000))


def new_tick(backend, sent, watch):
    profiles = ["default", "azure"]
    made = Tick(
        backend.sync, backend.keys, profiles, sent, tick_ms=50, retention_seconds=604_800, watch=watch
    )
    made._scripts = backend.scripts  # the turned clock
    return made


def due(backend, *pairs, received=()):
    keys = [name for pair in pairs for name in (backend.keys.agenda(*pair), backend.keys.wake(*pair))]
    told = [WAKE_LIFE_MS, LONGEST_WAKE_LIFE_MS, backend.keys.clock(), 0]
    _, _, _, *positions = backend.scripts.call("due", keys, [*told, *received])
    return positions


async def test_only_stages_with_due_runs_are_woken(backend, client, store, tick, sent):
    client.enqueue("asst", messages="hi", profile="azure")
    client.enqueue("asst", messages="hi")
    await store.rest(await claim_one(store, Stage.CREATE), 5_000)

    assert tick.once() == 1
    assert sent.wakes == [("runs.create", "azure")]


async def test_a_stage_is_not_woken_again_while_its_wake_up_is_under_way(backend, client, store, tick, sent):
    client.enqueue("asst", messages="hi")
    assert [tick.once() for _ in range(3)] == [1, 0, 0]

    await claimed(store, Stage.CREATE)
    client.enqueue("asst", messages="ho")
    assert tick.once() == 1


def test_two_ticks_never_send_the_same_wake_up(backend, client, tick, sent):
    client.enqueue("asst", messages="hi")
    assert (due(backend, ("create", "default")), tick.once()) == ([0], 0)


def test_a_wake_up_that_was_lost_is_sent_again_when_its_mark_lapses(backend, client):
    client.enqueue("asst", messages="hi")
    assert due(backend, ("create", "default")) == [0]
    backend.turn(WAKE_LIFE_MS / 1000 - 0.001)
    assert due(backend, ("create", "default")) == []
    backend.turn(0.001)

    assert due(backend, ("create", "default")) == [0]


def test_wake_ups_that_nobody_receives_do_not_pile_up(backend, client, tick, sent):
    client.enqueue("asst", messages="hi")
    client.enqueue("asst", messages="hi", profile="azure")
    at = []
    for second in range(3600):
        if tick.once():
            at.append(second)
        backend.turn(1)

    assert at[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert len(sent.wakes) / 2 == len(at) <= 7 + 3600 / 60


@pytest.mark.parametrize("claims", [True, False], ids=["claimed", "received by a worker that is busy"])
async def test_once_wake_ups_are_received_again_a_lost_one_costs_a_second_again(
    backend, client, store, tick, sent, claims
):
    client.enqueue("asst", messages="hi")
    for _ in range(600):
        tick.once()
        backend.turn(1)
    if claims:
        await claimed(store, Stage.CREATE)
        client.enqueue("asst", messages="ho")
    else:
        tick.received(Stage.CREATE, "default")
        assert tick.once() == 0
        backend.turn(1)
    sent.wakes.clear()

    assert [tick.once(), tick.once()] == [1, 0]
    backend.turn(2)
    assert tick.once() == 1


def test_a_clock_that_is_set_back_delays_no_wake_up(backend, client, sent):
    tick = new_tick(backend, sent, JumpWatch(lambda: 100.0))
    client.enqueue("asst", messages="hi")
    assert tick.once() == 1
    backend.turn(-3_600)
    client.enqueue("asst", messages="hi")

    assert (tick.once(), tick.once()) == (0, 1)


def test_a_received_wake_up_whose_mark_a_claim_has_removed_makes_no_mark(backend, client, tick):
    tick.received(Stage.CREATE, "default")
    tick.once()
    client.enqueue("asst", messages="hi")

    assert tick.once() == 1


def test_a_mark_that_nobody_needs_any_more_goes(backend, client, tick):
    client.enqueue("asst", messages="hi")
    tick.once()

    assert 0 < backend.sync.pttl(backend.keys.wake("create", "default")) <= 2 * LONGEST_WAKE_LIFE_MS


def test_the_positions_of_all_due_pairs_are_given(backend, client):
    client.enqueue("asst", messages="hi")
    client.enqueue("asst", messages="hi", profile="azure")
    pairs = [("poll", "default"), ("create", "default"), ("poll", "azure"), ("create", "azure")]
    assert due(backend, *pairs) == [1, 3]


def test_every_stage_that_can_be_due_has_a_task():
    assert set(TASK_OF_STAGE) == set(Stage) - {Stage.DONE}


def test_a_wake_up_goes_out_even_when_trimming_fails(backend, client, tick, sent, monkeypatch):
    client.enqueue("asst", messages="hi")

    def fail():
        raise RedisConnectionError("gone")

    monkeypatch.setattr(tick, "_trim", fail)
    tick.once()
    assert sent.wakes == [("runs.create", "default")]


def test_a_tick_without_redis_is_survived_and_the_next_one_works(backend, client, tick, sent, monkeypatch):
    client.enqueue("asst", messages="hi")

    def fail(*_):
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(backend.scripts, "call", fail)
        assert tick.once() == 0
    assert tick.once() == 1


def test_a_running_tick_wakes_until_it_is_stopped(backend, client, tick, sent):
    tick.start()
    client.enqueue("asst", messages="hi")
    until = time.monotonic() + 5
    while not sent.wakes and time.monotonic() < until:
        time.sleep(0.005)
    tick.stop()

    assert sent.wakes == [("runs.create", "default")]
    assert not tick._thread.is_alive()


def trim(backend, *, age_ms=DAY_MS, unseen_ms=UNSEEN_LIFE_MS, most=TRIM_LIMIT):
    keys = backend.keys
    catalogues = [keys.tools(), keys.tools_seen(), keys.profiles(), keys.workers()]
    indexes = [keys.index_runs(), keys.index_status("none")]
    return backend.scripts.call("trim", catalogues + indexes, [age_ms, unseen_ms, most])


def test_trimming_removes_only_what_is_old(backend, client):
    old = client.enqueue("asst", messages="hi").key
    backend.turn(1)
    young = client.enqueue("asst", messages="hi").key
    backend.turn(DAY_MS / 1000 - 1)

    assert trim(backend) == 2

    assert [run.key for run in client.list()] == [young]
    assert [run.key for run in client.list(status="none")] == [young]
    assert client.get(old).key == old
    assert trim(backend) == 0


def test_one_trim_removes_a_bounded_amount_the_oldest_first(backend, client):
    keys = []
    for _ in range(5):
        keys.append(client.enqueue("asst", messages="hi").key)
        backend.turn(1)
    backend.turn(DAY_MS / 1000)

    assert trim(backend, most=2) == 4
    assert backend.sync.zrange(backend.keys.index_runs(), 0, -1) == keys[2:]


def test_what_no_worker_has_served_for_a_day_leaves_the_catalogues(backend):
    beat(backend, "old@a", tools={"old_tool": {}}, profiles=["old"])
    backend.turn(DAY_MS / 1000 - 1)
    beat(backend, "new@a", tools={"new_tool": {}}, profiles=["new"])
    assert trim(backend) == 0
    backend.turn(1)

    assert trim(backend) == 3

    keys = backend.keys
    assert backend.sync.hkeys(keys.tools()) == ["new_tool"]
    seen = [backend.sync.zrange(name, 0, -1) for name in (keys.tools_seen(), keys.profiles(), keys.workers())]
    assert seen == [["new_tool"], ["new"], ["new@a"]]


def test_the_tick_trims_every_index_by_the_configured_retention(backend, client, tick):
    labels = ["none", "queued", "in_progress", "requires_action", "cancelling", "cancelled", "failed", "completed",
              "incomplete", "expired", "timed_out", "rejected", "lost"]  # fmt: skip
    age_ms = (7 + 8) * DAY_MS
    for label in labels:
        backend.sync.zadd(backend.keys.index_status(label), {"old": backend.now_ms() - age_ms})
        backend.sync.zadd(backend.keys.index_status(label), {"young": backend.now_ms() - age_ms + 1})
    tick._trim_at = 0

    tick.once()

    for label in labels:
        assert backend.sync.zrange(backend.keys.index_status(label), 0, -1) == ["young"]


def test_trimming_goes_on_at_the_next_tick_while_there_is_more_and_then_rests_a_minute(
    backend, tick, monkeypatch
):
    monkeypatch.setattr(tick_module, "TRIM_LIMIT", 2)
    index = backend.keys.index_runs()
    backend.sync.zadd(index, {f"old{n}": n for n in range(5)})
    tick._trim_at = 0

    left = []
    for _ in range(4):
        tick.once()
        left.append(backend.sync.zcard(index))
    backend.sync.zadd(index, {"old": 1})
    tick.once()

    assert left == [3, 1, 0, 0]
    assert backend.sync.zcard(index) == 1


def beat(backend, worker_id, *, tools=None, profiles=()):
    served = Served(worker_id, {"kind": "runs", "host": "a", "pid": "7"}, tools or {}, profiles)
    heartbeat = Heartbeat(backend.sync, backend.keys, served, Observer(5, 15), 5)
    heartbeat._scripts = backend.scripts
    heartbeat.beat()
    return heartbeat


def test_a_heartbeat_publishes_worker_tools_and_profiles_with_the_time(backend, client):
    entry = {"definition": {"type": "function", "function": {"name": "add"}}, "queue": "tools"}
    beat(backend, "tools@a/1", tools={"add": entry, "mul": {}}, profiles=["default", "azure"])

    now, keys = backend.now_ms(), backend.keys
    assert backend.sync.zrange(keys.workers(), 0, -1, withscores=True) == [("tools@a/1", now)]
    assert backend.sync.hgetall(keys.worker("tools@a/1")) == {
        "kind": "runs", "host": "a", "pid": "7", "seen_ms": str(now),
    }  # fmt: skip
    assert 86_000 < backend.sync.ttl(keys.worker("tools@a/1")) <= 86_400
    assert client.tools() == {"add": entry, "mul": {}}
    assert sorted(backend.sync.zrange(keys.tools_seen(), 0, -1, withscores=True)) == [
        ("add", now),
        ("mul", now),
    ]
    assert sorted(backend.sync.zrange(keys.profiles(), 0, -1, withscores=True)) == [
        ("azure", now), ("default", now),
    ]  # fmt: skip


def test_a_later_heartbeat_moves_the_time_on(backend):
    beat(backend, "runs@a", tools={"add": {}}, profiles=["default"])
    backend.turn(5)
    beat(backend, "runs@a", tools={"add": {}}, profiles=["default"])

    for name in (backend.keys.workers(), backend.keys.tools_seen(), backend.keys.profiles()):
        assert [ms for _, ms in backend.sync.zrange(name, 0, -1, withscores=True)] == [backend.now_ms()]


async def test_a_heartbeat_is_what_the_death_of_a_worker_is_judged_by(backend, store):
    beat(backend, "runs@a")
    assert await store.heartbeats(["runs@a", "nobody"]) == {"runs@a": backend.now_ms(), "nobody": None}


def test_a_worker_that_ends_cleanly_leaves_the_list_of_workers(backend, client):
    beat(backend, "runs@a").stop()
    assert client.stats().workers == ()


def test_a_heartbeat_without_redis_is_survived_and_vouches_for_nobody(backend, monkeypatch):
    heartbeat = beat(backend, "runs@a")
    observer = heartbeat._observer
    seen = observer._seen_at

    def fail(*_):
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(backend.scripts, "call", fail)
        heartbeat.beat()
        assert observer._seen_at == seen
    heartbeat.beat()
    assert observer._seen_at > seen


def test_a_worker_that_starts_is_seen_at_once_and_then_again_and_again(backend):
    served = Served("runs@a/1", {"kind": "runs"}, {}, ["default"])
    slow = Heartbeat(backend.sync, backend.keys, served, Observer(5, 15), 60)
    slow._scripts = backend.scripts
    slow.start()
    assert backend.sync.zrange(backend.keys.workers(), 0, -1) == ["runs@a/1"]
    slow.stop()

    served = Served("runs@a/2", {"kind": "runs"}, {}, ["default"])  # every start is another worker
    quick = Heartbeat(backend.sync, backend.keys, served, Observer(5, 15), 0.005)
    quick._scripts = backend.scripts
    quick.start()
    backend.turn(5)
    until = time.monotonic() + 5
    while backend.sync.zscore(backend.keys.workers(), "runs@a/2") != backend.now_ms():
        assert time.monotonic() < until
        time.sleep(0.002)
    quick.stop()
    assert backend.sync.zcard(backend.keys.workers()) == 0


def test_a_beat_that_arrives_after_its_workers_goodbye_does_not_bring_it_back(backend):
    leaving = beat(backend, "runs@a", profiles=["default"])
    leaving.stop()
    left = backend.dump()
    backend.turn(1)

    leaving.beat()

    assert backend.dump() == left
    assert backend.sync.zcard(backend.keys.workers()) == 0
