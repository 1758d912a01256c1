"""Reading through both clients: one record at one moment, events, the wait for the end, the whole."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from tests.integration.carrying import (
    claim_one,
    claimed,
    created,
    ended,
    finish_from,
    last_words,
    noted,
    whole_life,
)
from tests.integration.test_store_tick import beat
from threadrun.client import AgendaStats, aio, reading, sync
from threadrun.errors import (
    InvalidRequest,
    RecordDamaged,
    RecordTooNew,
    RunNotFound,
    ThreadrunError,
    WaitTimeout,
)
from threadrun.status import CallState, Outcome, RunStatus, Stage
from worker.store.gates import Kind, Verdict


async def test_a_finished_run_is_read_whole(twin, backend, client, store):
    key = await whole_life(client, store, backend.now_ms(), metadata={"team": "a"})

    record = await twin.get(key)

    assert (record.key, record.final, record.outcome, record.status) == (
        key, True, Outcome.COMPLETED, RunStatus.IN_PROGRESS,
    )  # fmt: skip
    assert (record.thread_id, record.run_id, record.run.status) == ("thread_new", "run_1", "in_progress")
    assert [(call.index, call.state, call.output) for call in record.tool_calls] == [
        (0, CallState.SUBMITTED, "7"), (1, CallState.SUBMITTED, "7"),
    ]  # fmt: skip
    assert [event.seq for event in record.transitions] == list(range(1, len(record.transitions) + 1))
    assert record.transitions[-1].type == "run.finished"
    assert record.request.metadata == {"team": "a"}


@pytest.mark.parametrize("method", ["get", "events"])
async def test_record_and_events_are_read_at_one_moment(twin, monkeypatch, method):
    """Between two reads the run may be finished: its last event would be missing from what claims to be final."""
    key = (await twin.enqueue("asst", messages="hi")).key
    redis, kinds = twin.client._redis, []
    real = redis.pipeline

    def noting(transaction=True, **options):
        kinds.append(transaction)
        return real(transaction=transaction, **options)

    monkeypatch.setattr(redis, "pipeline", noting)
    await getattr(twin, method)(key)
    assert kinds == [True]


async def test_the_same_handle_reads_waits_cancels_and_lists_events(twin):
    handle = await twin.enqueue("asst", messages="hi")

    async def done(value):
        return await value if asyncio.iscoroutine(value) else value

    assert (await done(handle.get())).key == handle.key
    assert await done(handle.cancel())
    assert not await done(handle.cancel())
    events = handle.events(1)
    found = [event async for event in events] if hasattr(events, "__aiter__") else list(events)
    assert [event.type for event in found] == ["run.cancel_requested"]
    with pytest.raises(WaitTimeout):
        await done(handle.wait(0))


@pytest.mark.parametrize("method", ["get", "wait", "cancel", "replay", "events"])
async def test_a_run_that_is_not_there_is_told(twin, backend, method):
    with pytest.raises(RunNotFound) as caught:
        await getattr(twin, method)("nobody")
    assert caught.value.run_key == "nobody"
    assert isinstance(caught.value, LookupError)
    assert backend.left() == {}


@pytest.mark.parametrize("method", ["get", "wait", "cancel", "replay", "events"])
@pytest.mark.parametrize("key", ["", "a b", "a/events", "x" * 129, "ü", 5, None])
@pytest.mark.parametrize("backend", ["fakeredis"], indirect=True)  # it never gets as far as Redis
async def test_a_run_key_that_cannot_be_is_refused(twin, method, key):
    with pytest.raises(InvalidRequest) as caught:
        await getattr(twin, method)(key)
    assert [problem.path for problem in caught.value.problems] == ["run_key"]


@pytest.mark.parametrize("method", ["get", "wait", "replay"])
async def test_a_record_of_a_newer_schema_is_told_and_not_misread(twin, backend, method):
    key = (await twin.enqueue("asst", messages="hi")).key
    backend.sync.hset(backend.keys.run(key), mapping={"schema": 2, "stage": "done"})

    with pytest.raises(RecordTooNew) as caught:
        await getattr(twin, method)(key)
    assert (caught.value.run_key, caught.value.schema, caught.value.known) == (key, 2, 1)


@pytest.mark.parametrize("field", ["deadline_ms", "request", "stage", "progress", "schema"])
async def test_a_record_that_somebody_damaged_is_told_with_a_remedy(twin, backend, field):
    key = (await twin.enqueue("asst", messages="hi")).key
    backend.sync.hset(backend.keys.run(key), field, "soon")

    with pytest.raises(RecordDamaged) as caught:
        await twin.get(key)
    assert caught.value.run_key == key
    assert f"purge --run {key} --damaged" in str(caught.value)
    assert "soon" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("progress", "xx"),
        ("progress", "[]"),
        ("stage", "nonsense"),
        ("outcome", "what"),
        ("lease_ms", "x"),
        ("deadline_ms", "9" * 30),
        ("round", "x"),
        ("schema", "x"),
        ("progress", b"\xff\xfe"),
    ],
)
async def test_a_damaged_record_is_named_by_a_survey_and_hides_no_other(twin, backend, field, value):
    whole, damaged = [(await twin.enqueue("asst", messages="hi")).key for _ in range(2)]
    stage = "create" if field != "round" else "tools"
    backend.sync.hset(backend.keys.run(damaged), mapping={"stage": stage, field: value})

    with pytest.raises(RecordDamaged) as caught:
        await twin.waits_for(damaged)
    assert caught.value.run_key == damaged
    seen = await twin.survey()
    assert ([run.key for run in seen.runs], seen.damaged) == ([whole], (damaged,))


@pytest.mark.parametrize("name", ["run", "events", "calls"])
async def test_a_key_of_a_run_that_is_of_another_type_is_damage_too(twin, backend, name):
    whole, damaged = [(await twin.enqueue("asst", messages="hi")).key for _ in range(2)]
    backend.sync.set(getattr(backend.keys, name)(damaged), "x")

    with pytest.raises(RecordDamaged, match="WRONGTYPE"):
        await twin.get(damaged)
    assert whole in [run.key for run in await twin.list()]
    assert (await twin.survey()).damaged == ((damaged,) if name == "run" else ())


async def test_an_enqueue_under_a_key_of_another_type_is_told_and_not_repeated_for_ever(twin, backend):
    backend.sync.set(backend.keys.run("order-7"), "x")

    with pytest.raises(RecordDamaged, match="WRONGTYPE"):
        await twin.enqueue("asst", messages="hi", idempotency_key="order-7")


async def test_a_run_that_waits_for_a_damaged_one_is_told_which_it_is(twin, backend):
    holder, waiting = [
        (await twin.enqueue("asst", thread_id="thread_1", messages="hi")).key for _ in range(2)
    ]
    backend.sync.set(backend.keys.run(holder), "x")

    with pytest.raises(RecordDamaged) as caught:
        await twin.waits_for(waiting)
    assert caught.value.run_key == holder
    assert (await twin.survey()).damaged == (holder,)


async def test_a_list_leaves_out_a_run_whose_times_are_none(twin, backend):
    whole, damaged = [(await twin.enqueue("asst", messages="hi")).key for _ in range(2)]
    backend.sync.hset(backend.keys.run(damaged), "created_ms", "soon")

    assert [run.key for run in await twin.list()] == [whole]


async def waiting(twin, key, within_seconds=30.0):
    """Wait as an own task; the sync client blocks, so it gets a thread."""
    if twin.blocks:
        return await asyncio.to_thread(twin.client.wait, key, within_seconds)
    return await twin.wait(key, within_seconds)


async def test_a_wait_gives_the_final_record_as_soon_as_it_is_written(twin, backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    task = asyncio.create_task(waiting(twin, key))
    await asyncio.sleep(0)
    await finish_from(store, Stage.CREATE)

    record = await asyncio.wait_for(task, 10)
    assert (record.final, record.outcome) == (True, Outcome.COMPLETED)


async def test_a_finished_run_needs_no_waiting(twin, client, store):
    key = client.enqueue("asst", messages="hi").key
    await finish_from(store, Stage.CREATE)
    assert (await twin.wait(key, 0)).final
    assert (await twin.wait(key)).final


async def test_a_wait_that_is_too_short_says_where_the_run_is_and_is_a_timeout_to_others_too(twin):
    key = (await twin.enqueue("asst", messages="hi")).key

    with pytest.raises(TimeoutError) as caught:
        await twin.wait(key, 0.01)

    assert isinstance(caught.value, WaitTimeout)
    assert isinstance(caught.value, ThreadrunError)
    assert (caught.value.run_key, caught.value.stage, caught.value.timeout_seconds) == (key, "create", 0.01)
    assert (await twin.get(key)).stage is Stage.CREATE


async def test_events_are_read_in_order_and_resumed_by_seq(twin, backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    backend.turn(2)
    await created(store)
    client.cancel(key)

    found = await twin.events(key)

    assert [(event.seq, event.type) for event in found] == [
        (1, "run.enqueued"), (2, "run.created"), (3, "run.cancel_requested"),
    ]  # fmt: skip
    assert (found[1].at - found[0].at, found[1].data) == (timedelta(seconds=2), {"run_id": "run_1"})
    assert [event.seq for event in await twin.events(key, 2)] == [3]
    assert await twin.events(key, 3) == []
    assert await twin.events(key, 99) == []
    assert await twin.events(key, 10**30) == []


@pytest.mark.parametrize("after", [-1, "2", None, 1.5])
async def test_a_seq_that_cannot_be_is_refused(twin, after):
    key = (await twin.enqueue("asst", messages="hi")).key
    with pytest.raises(InvalidRequest) as caught:
        await twin.events(key, after)
    assert [problem.path for problem in caught.value.problems] == ["after"]


async def test_a_follower_sees_every_event_once_and_stops_at_the_last(
    twin, backend, client, store, monkeypatch
):
    monkeypatch.setattr(sync, "FOLLOW_SECONDS", 0.005)
    monkeypatch.setattr(aio, "FOLLOW_SECONDS", 0.005)
    key = client.enqueue("asst", messages="hi").key

    async def follow():
        if twin.blocks:
            return await asyncio.to_thread(lambda: list(twin.client.events(key, follow=True)))
        return await twin.events(key, follow=True)

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.02)
    await ended(store, await claim_one(store, Stage.CREATE))
    await asyncio.sleep(0.02)
    run = await claim_one(store, Stage.FINALIZE)
    await store.finish(run, last_words(run))

    found = await asyncio.wait_for(task, 10)
    assert [(event.seq, event.type) for event in found] == [
        (1, "run.enqueued"), (2, "run.ended"), (3, "run.finished"),
    ]  # fmt: skip


async def test_a_follower_pauses_between_two_looks(twin, backend, client, monkeypatch):
    key, pauses = client.enqueue("asst", messages="hi").key, []

    def pass_the_time(seconds):
        pauses.append(seconds)
        client.cancel(key)
        backend.sync.hset(backend.keys.run(key), "stage", "done")

    async def pass_the_time_on_the_loop(seconds):
        pass_the_time(seconds)

    monkeypatch.setattr("threadrun.client.operation.time.sleep", pass_the_time)
    monkeypatch.setattr("threadrun.client.operation.asyncio.sleep", pass_the_time_on_the_loop)

    assert [event.seq for event in await twin.events(key, follow=True)] == [1, 2]
    assert pauses == [sync.FOLLOW_SECONDS] == [aio.FOLLOW_SECONDS]


async def test_a_wait_looks_often_at_first_then_four_times_a_second_and_never_past_its_end(twin, monkeypatch):
    key, pauses, now = (await twin.enqueue("asst", messages="hi")).key, [], [0.0]

    def pass_the_time(seconds):
        pauses.append(seconds)
        now[0] += seconds

    async def pass_the_time_on_the_loop(seconds):
        pass_the_time(seconds)

    monkeypatch.setattr("threadrun.client.operation.time.sleep", pass_the_time)
    monkeypatch.setattr("threadrun.client.operation.asyncio.sleep", pass_the_time_on_the_loop)
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: now[0]))

    with pytest.raises(WaitTimeout):
        await twin.wait(key, 3.0)

    assert sum(pauses) == pytest.approx(3.0)
    assert pauses[0] == 0.02
    assert max(pauses) == 0.25
    assert pauses[:-1] == sorted(pauses[:-1])
    assert len(pauses) < 25


async def test_a_follower_of_a_finished_run_ends_at_once(twin, client, store):
    key = client.enqueue("asst", messages="hi").key
    await finish_from(store, Stage.CREATE)
    assert len(await twin.events(key, 1, follow=True)) == 2


async def test_the_events_are_json_that_another_program_can_read(backend, client):
    key = client.enqueue("asst", messages="hi").key
    client.cancel(key)
    texts = backend.sync.lrange(backend.keys.events(key), 0, -1)
    assert [list(json.loads(text))[:3] for text in texts] == [["seq", "at_ms", "type"]] * 2


async def test_the_state_of_the_whole_is_told(twin, backend, client, store):
    # What is due is judged by Redis's own clock, so the turned one is set to it.
    seconds, _ = backend.sync.time()
    backend.sync.set(backend.clock_key, seconds * 1000 - 90_000)
    beat(backend, "old@a", profiles=["azure", "default"])
    for profile in ("azure", "default", "default"):
        client.enqueue("asst", messages="hi", profile=profile)
    await store.rest((await claimed(store, Stage.CREATE))[0], 3_600_000)
    backend.turn(88)
    client.enqueue("asst", messages="hi")
    beat(backend, "tools@a", tools={"add": {}})

    stats = await twin.stats()

    shown_ = {agenda.profile: agenda for agenda in stats.agendas}
    assert set(shown_) == {"azure", "default"}
    oldest = shown_["azure"].oldest_due_seconds
    assert shown_["azure"] == AgendaStats(
        "azure", Stage.CREATE, runs=1, due=1, oldest_due_seconds=oldest, stuck=1
    )
    assert 88 <= oldest <= 100
    assert (shown_["default"].runs, shown_["default"].due, shown_["default"].stuck) == (3, 2, 1)
    assert [(worker.worker_id, worker.kind, worker.host, worker.pid, worker.alive) for worker in stats.workers] == [
        ("old@a", "runs", "a", 7, False), ("tools@a", "runs", "a", 7, True),
    ]  # fmt: skip
    assert stats.tools == ("add",)


async def test_a_paused_profile_is_shown_with_the_time_that_is_left(twin, backend, store):
    seconds, _ = backend.sync.time()
    backend.sync.set(backend.clock_key, seconds * 1000)
    await noted(store, Verdict.LIMITED, Kind.POST, wish_ms=60_000)

    (pause,) = (await twin.stats()).pauses
    assert (pause.profile, pause.kind, pause.reason) == ("default", "POST", "rate_limited")
    assert 50 <= pause.seconds <= 60


async def test_a_run_in_a_lease_is_not_counted_as_due(twin, backend, client, store):
    seconds, _ = backend.sync.time()
    backend.sync.set(backend.clock_key, seconds * 1000)
    client.enqueue("asst", messages="hi")
    await claimed(store, Stage.CREATE)
    (agenda,) = (await twin.stats()).agendas
    assert (agenda.runs, agenda.due, agenda.oldest_due_seconds) == (1, 0, 0)
