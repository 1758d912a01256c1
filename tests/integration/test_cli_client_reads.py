"""What the command line reads through the clients: what one run waits for, and a sample of all of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.backend import Backend, Twin
from tests.integration.carrying import claim_call, claim_one, created, finish_from, opened, whole_life
from threadrun.client import RunClient
from threadrun.errors import InvalidRequest, RecordTooNew, RunNotFound
from threadrun.status import CallState, Stage
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore


async def test_a_run_that_is_due_says_since_when(backend: Backend, client: RunClient, twin: Twin) -> None:
    key = client.enqueue("asst", messages="hi").key
    found = await twin.waits_for(key)

    assert (found.key, found.stage, found.agendas) == (key, Stage.CREATE, (Stage.CREATE,))
    assert found.next_look_at == datetime.fromtimestamp(backend.now_ms() / 1000, UTC)
    assert not found.final
    assert not found.profile_served


async def test_a_waiting_run_says_who_holds_its_thread_and_how_many_stand_before_it(
    client: RunClient, twin: Twin
) -> None:
    keys = [client.enqueue("asst", thread_id="thread/1", idempotency_key=f"k{at}").key for at in range(3)]
    first, second, third = [await twin.waits_for(key) for key in keys]

    assert first.thread_holder == "k0"
    assert (second.stage, second.thread_holder, second.runs_ahead) == (Stage.WAITING, "k0", 0)
    assert (third.thread_holder_stage, third.runs_ahead) == (Stage.CREATE, 1)


async def test_a_claimed_run_says_that_somebody_has_it_in_hand(
    backend: Backend, client: RunClient, store: RunStore, twin: Twin
) -> None:
    backend.sync.set(backend.clock_key, int(datetime.now(UTC).timestamp() * 1000))
    key = client.enqueue("asst", messages="hi").key
    assert not (await twin.waits_for(key)).in_hand
    await claim_one(store, Stage.CREATE)

    assert (await twin.waits_for(key)).in_hand


async def test_calls_without_an_output_are_shown_with_who_runs_them(
    backend: Backend, client: RunClient, store: RunStore, twin: Twin
) -> None:
    key = client.enqueue("asst", messages="hi").key
    await created(store, thread_id="thread_1")
    run = await opened(store, backend.now_ms(), 2)
    await claim_call(store, CallAddress(key, run.round + 1, 1), "token", worker="tools@a/1")
    pending, claimed = (await twin.waits_for(key)).calls

    assert (pending.state, pending.worker, pending.attempt) == (CallState.PENDING, "", 0)
    assert (claimed.state, claimed.worker, claimed.attempt) == (CallState.CLAIMED, "tools@a/1", 1)
    assert claimed.deadline_at > claimed.claimed_at
    assert claimed.worker_seen_at is None


async def test_a_finished_run_stands_in_no_agenda_unless_its_caller_is_still_to_be_told(
    backend: Backend, client: RunClient, store: RunStore, twin: Twin
) -> None:
    plain = await whole_life(client, store, backend.now_ms())
    assert (await twin.waits_for(plain)).agendas == ()
    told = client.enqueue("asst", messages="hi", on_done="shop.done").key
    await created(store)
    await finish_from(store, Stage.POLL)
    found = await twin.waits_for(told)

    assert (found.final, found.tells, found.agendas) == (True, True, (Stage.FINALIZE,))


async def test_a_key_without_a_record_is_told(twin: Twin) -> None:
    with pytest.raises(RunNotFound):
        await twin.waits_for("nobody")
    with pytest.raises(InvalidRequest):
        await twin.waits_for("a b")


async def test_a_survey_looks_at_open_runs_only(
    backend: Backend, client: RunClient, store: RunStore, twin: Twin
) -> None:
    await whole_life(client, store, backend.now_ms())
    keys = {client.enqueue("asst", messages="hi", idempotency_key=f"k{at}").key for at in range(3)}
    seen = await twin.survey()

    assert {run.key for run in seen.runs} == keys


async def test_a_survey_of_many_runs_is_a_sample_that_holds_the_oldest_and_the_newest(
    backend: Backend, client: RunClient, twin: Twin
) -> None:
    for at in range(12):
        client.enqueue("asst", messages="hi", idempotency_key=f"k{at:02}")
        backend.turn(1)
    seen = await twin.survey(limit=12)

    assert {run.key for run in seen.runs} == {"k00", "k01", "k10", "k11"}


async def test_a_record_of_a_newer_threadrun_is_left_to_it(
    backend: Backend, client: RunClient, twin: Twin
) -> None:
    key = client.enqueue("asst", messages="hi").key
    backend.sync.hset(backend.keys.run(key), mapping={"schema": 99, "stage": "teleport", "status": "beaming"})

    with pytest.raises(RecordTooNew):
        await twin.waits_for(key)
    assert (await twin.survey()).runs == ()


async def test_a_record_that_has_expired_is_passed_over(
    backend: Backend, client: RunClient, twin: Twin
) -> None:
    key = client.enqueue("asst", messages="hi").key
    backend.sync.delete(backend.keys.run(key))

    assert (await twin.survey()).runs == ()
