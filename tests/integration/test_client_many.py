"""Many requests at once, through both clients."""

from __future__ import annotations

import pytest

from tests.integration.serving import count_reads, serve
from threadrun.errors import IdempotencyConflict, InvalidRequest, ThreadBusy


async def test_many_are_answered_in_order_each_with_its_handle_or_its_refusal(twin, backend):
    await twin.enqueue("asst", thread_id="t", idempotency_key="old")

    answers = await twin.enqueue_many(
        [
            {"assistant_id": "asst", "messages": "1", "idempotency_key": "a"},
            {"assistant_id": "asst", "messages": "2", "idempotency_key": "old"},
            {"assistant_id": "asst", "thread_id": "t", "thread_strategy": "reject"},
            {"assistant_id": "asst", "messages": "1", "idempotency_key": "a"},
            {"assistant_id": "asst", "messages": "3", "idempotency_key": "b"},
        ]
    )

    first, conflict, busy, again, last = answers
    assert (first.key, first.created, again.key, again.created) == ("a", True, "a", False)
    assert isinstance(conflict, IdempotencyConflict)
    assert conflict.run_key == "old"
    assert isinstance(busy, ThreadBusy)
    assert busy.active_run_key == "old"
    assert (last.key, last.created) == ("b", True)
    assert {run.key for run in await twin.list()} == {"old", "a", "b"}
    assert (await twin.get("b")).created_at.timestamp() * 1000 == backend.now_ms()


async def test_of_many_nothing_is_stored_when_one_cannot_work_and_each_path_tells_which(twin, backend):
    serve(backend, "add")
    before = backend.dump()

    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue_many(
            [
                {"assistant_id": "asst", "messages": "hi"},
                {"assistant_id": "asst"},
                {"messages": "hi", "temperature": 9},
                {"assistant_id": "asst", "messages": "hi", "tools": ["fly"]},
                {"assistant_id": "asst", "messages": "hi", "idempotency_key": "a b"},
            ]
        )

    paths = [problem.path for problem in caught.value.problems]
    assert sorted(paths) == ["1", "2.assistant_id", "2.temperature", "3.tools", "4.idempotency_key"]
    assert backend.dump() == before


async def test_many_read_the_catalogue_no_more_than_once_more(twin, backend, monkeypatch):
    reads = count_reads(monkeypatch)
    requests = [{"assistant_id": "asst", "messages": "hi", "profile": f"p{n}"} for n in range(20)]
    assert len(await twin.enqueue_many(requests)) == 20
    assert len(reads) == 1


async def test_many_of_nothing_is_nothing(twin, backend):
    assert await twin.enqueue_many([]) == []
    assert backend.left() == {}
