"""Lists of runs through both clients: filters, pages, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.carrying import claim_one, claimed, finish_from, last_words, move, shown
from threadrun.client import reading
from threadrun.errors import InvalidRequest, RunNotFound
from threadrun.status import Outcome, RunStatus, Stage


async def test_a_list_shows_the_newest_first_with_what_a_table_needs(twin, backend, client, store):
    old = client.enqueue("asst", messages="hi").key
    await finish_from(store, Stage.CREATE, Outcome.TIMED_OUT)
    backend.turn(1)
    new = client.enqueue("asst", thread_id="thread_1").key

    first, second = await twin.list()

    assert (first.key, first.stage, first.thread_id, first.status, first.outcome, first.finished_at) == (
        new, Stage.CREATE, "thread_1", None, None, None,
    )  # fmt: skip
    assert (second.key, second.stage, second.outcome, second.profile) == (
        old, Stage.DONE, Outcome.TIMED_OUT, "default",
    )  # fmt: skip
    assert first.created_at - second.created_at == timedelta(seconds=1)
    assert second.finished_at is not None


async def some_runs(backend, client, store):
    """One run without a status, one queued, one completed and one lost, enqueued in this order a second apart."""
    keys = {}
    for label in ("lost", "completed", "queued", "none"):
        keys[label] = client.enqueue("asst", messages="hi", idempotency_key=label).key
        if label in {"lost", "completed"}:
            await finish_from(store, Stage.CREATE, Outcome(label))
        elif label == "queued":
            await move(store, await claim_one(store, Stage.CREATE), Stage.POLL, 60_000, run=shown("queued"))
        backend.turn(1)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (None, ["none", "queued", "completed", "lost"]),
        ("none", ["none"]),
        (RunStatus.QUEUED, ["queued"]),
        ("completed", ["completed"]),
        (Outcome.LOST, ["lost"]),
        ("cancelled", []),
    ],
)
async def test_a_list_can_be_of_one_status_or_outcome(twin, backend, client, store, status, found):
    await some_runs(backend, client, store)
    assert [run.key for run in await twin.list(status=status)] == found


async def test_a_run_that_has_ended_but_is_not_final_is_listed_under_its_status(twin, client, store):
    client.enqueue("asst", messages="hi", idempotency_key="a")
    run = await claim_one(store, Stage.CREATE)
    await move(store, run, Stage.FINALIZE, run=shown("cancelled"))
    assert [run.key for run in await twin.list(status="cancelled")] == ["a"]

    run = await claim_one(store, Stage.FINALIZE)
    await store.finish(run, last_words(run, Outcome.TIMED_OUT))
    assert [run.key for run in await twin.list(status="timed_out")] == ["a"]
    assert await twin.list(status="cancelled") == []


async def test_a_list_can_be_of_one_thread_of_a_profile(twin):
    for profile, key in (("default", "a"), ("default", "b"), ("azure", "c")):
        await twin.enqueue("asst", thread_id="t/1", profile=profile, idempotency_key=key)
    await twin.enqueue("asst", thread_id="t/2")

    assert {run.key for run in await twin.list(thread_id="t/1")} == {"a", "b"}
    assert [run.key for run in await twin.list(thread_id="t/1", profile="azure")] == ["c"]
    assert {run.key for run in await twin.list(thread_id="t/1", status="none")} == {"a", "b"}
    assert await twin.list(thread_id="t/1", status="queued") == []


async def test_a_list_can_begin_at_a_time(twin, backend, client, store):
    await some_runs(backend, client, store)
    start = datetime.fromtimestamp(backend.now_ms() / 1000, UTC) - timedelta(seconds=3)

    assert [run.key for run in await twin.list(since=start)] == ["none", "queued", "completed"]
    assert [run.key for run in await twin.list(since=start, status="completed")] == ["completed"]
    assert await twin.list(since=start + timedelta(seconds=3)) == []
    assert [run.key for run in await twin.list(since=start + timedelta(milliseconds=1))] == ["none", "queued"]


async def test_pages_of_a_list_follow_each_other_without_gap_or_repeat(twin, backend):
    keys = []
    for n in range(7):
        keys.append((await twin.enqueue("asst", messages=str(n))).key)
        backend.turn(1)

    pages, after = [], None
    while page := await twin.list(limit=3, after=after):
        pages.append([run.key for run in page])
        after = page[-1].key

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [key for page in pages for key in page] == keys[::-1]


async def test_a_page_can_hold_one_run_or_a_thousand(twin):
    for n in range(2):
        await twin.enqueue("asst", messages=str(n))
    assert [len(await twin.list(limit=limit)) for limit in (1, 2, 1000)] == [1, 2, 2]


async def test_a_page_is_full_even_when_much_of_the_index_does_not_fit(twin, backend, client, store):
    for n in range(9):
        client.enqueue("asst", thread_id=f"t{n}", idempotency_key=f"k{n}")
        index = backend.keys.index_thread("default", "all")
        backend.sync.zadd(index, {f"k{n}": n})
    backend.sync.zadd(index, {"expired": 9})
    for run in await claimed(store, Stage.CREATE):
        if run.key in {"k1", "k4", "k7"}:
            await move(store, run, Stage.POLL, run=shown("queued"))

    found = await twin.list(thread_id="all", status="queued", limit=2)
    assert [run.key for run in found] == ["k7", "k4"]


async def test_a_run_enqueued_while_a_list_is_read_brings_no_run_twice(backend, client, monkeypatch):
    """A page that moved on by one would give the last run of the page before again."""
    for n in range(4):
        client.enqueue("asst", messages="hi", idempotency_key=f"k{n}")
        backend.turn(1)
    real, looks = reading.rows_of, []

    def slow(keys, page, *fields):
        looks.append(page)
        if len(looks) == 1:
            backend.sync.delete(backend.keys.run("k2"))
            client.enqueue("asst", messages="hi", idempotency_key="newest")
        return real(keys, page, *fields)

    monkeypatch.setattr(reading, "rows_of", slow)
    assert [run.key for run in client.list(limit=2)] == ["k3", "k1"]


async def test_a_list_leaves_out_runs_whose_records_have_expired(twin, backend):
    await twin.enqueue("asst", messages="hi", idempotency_key="a")
    await twin.enqueue("asst", messages="hi", idempotency_key="b")
    backend.sync.delete(backend.keys.run("a"))
    assert [run.key for run in await twin.list()] == ["b"]


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"status": "done"}, "status"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"since": datetime(2026, 1, 1)}, "since"),
        ({"after": "a b"}, "run_key"),
        ({"thread_id": "\ud800"}, "thread_id"),
        ({"thread_id": b"thread_1"}, "thread_id"),
        ({"thread_id": "thread_1", "profile": "\ud800"}, "profile"),
    ],
)
async def test_a_filter_that_cannot_work_is_refused(twin, filters, path):
    with pytest.raises(InvalidRequest) as caught:
        await twin.list(**filters)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert str(caught.value).endswith("Correct it and ask again.")


async def test_a_list_cannot_go_on_after_a_run_that_is_not_in_it(twin):
    await twin.enqueue("asst", messages="hi", idempotency_key="a")
    with pytest.raises(RunNotFound):
        await twin.list(status="queued", after="a")


async def test_a_stage_that_only_a_newer_threadrun_knows_hides_no_run_from_a_list(twin, backend):
    await twin.enqueue("asst", messages="hi", idempotency_key="a")
    backend.sync.hset(backend.keys.run("a"), mapping={"schema": 2})
    assert [run.key for run in await twin.list()] == ["a"]
    backend.sync.hset(backend.keys.run("a"), mapping={"stage": "approving"})

    assert [(run.key, run.stage) for run in await twin.list()] == [("a", "approving")]
