"""Many requests at once, through both clients."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.serving import count_reads, serve
from threadrun.client.operations import SLICE
from threadrun.errors import IdempotencyConflict, InvalidRequest, StoreUnavailable, ThreadBusy

MANY = 3 * SLICE + 1


def keyed(count):
    return [{"assistant_id": "asst", "messages": "hi", "idempotency_key": f"k{at}"} for at in range(count)]


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


@pytest.mark.parametrize("wrong", ["abc", None, 5, [("assistant_id", "asst")]])
async def test_of_many_what_is_no_object_is_refused_with_its_position(twin, backend, wrong):
    before = backend.dump()
    with pytest.raises(InvalidRequest) as caught:
        await twin.enqueue_many([{"assistant_id": "asst", "messages": "hi"}, wrong])
    assert [problem.path for problem in caught.value.problems] == ["1"]
    assert backend.dump() == before


async def test_of_many_nothing_is_stored_when_the_last_holds_what_cannot_be_written(twin, backend):
    class Holder(BaseModel):
        value: object

    last = {"assistant_id": "asst", "messages": "hi", "tools": [{"type": "x", "x": Holder(value="\ud800")}]}
    before = backend.dump()
    with pytest.raises(InvalidRequest, match=rf"{MANY}\.tools\.0\.x\.value"):
        await twin.enqueue_many([*keyed(MANY), last])
    assert backend.dump() == before


async def test_more_than_a_slice_are_answered_in_order_and_a_thread_takes_them_in_order(twin, backend):
    requests = [{**one, "thread_id": "t"} for one in keyed(MANY)]
    requests[SLICE] = {"assistant_id": "asst", "messages": "other", "idempotency_key": "k0"}

    answers = await twin.enqueue_many(requests)

    assert isinstance(answers.pop(SLICE), IdempotencyConflict)
    keys = [f"k{at}" for at in range(MANY) if at != SLICE]
    assert [(one.key, one.created) for one in answers] == [(key, True) for key in keys]
    assert backend.sync.lrange(f"{backend.keys.thread('default', 't')}:waiting", 0, -1) == keys[1:]


@pytest.mark.parametrize("backend", ["redis"], indirect=True)  # fakeredis's connections try nothing again
async def test_a_connection_that_breaks_between_slices_is_made_again_and_no_run_twice(
    twin, backend, monkeypatch
):
    await twin.enqueue_many(keyed(1))
    connections = twin.client._redis.connection_pool.connection_class
    real, reads = connections.read_response, []

    def breaking(self, *args, **options):
        reads.append(1)
        if len(reads) == SLICE + 5:
            raise RedisConnectionError("gone")
        return real(self, *args, **options)

    monkeypatch.setattr(connections, "read_response", breaking)
    answers = await twin.enqueue_many(keyed(MANY))

    assert [(one.key, one.created) for one in answers] == [(f"k{at}", at > 0) for at in range(MANY)]
    assert backend.sync.zcard(backend.keys.index_runs()) == MANY
    assert len(reads) < 2 * MANY  # what had its answer was not sent again


async def test_an_error_in_a_later_slice_is_told_and_repeated_with_the_same_keys_all_are_there(twin, backend):
    broken = backend.keys.run(f"k{SLICE + 3}")
    backend.sync.set(broken, "no record")

    with pytest.raises(StoreUnavailable, match="ResponseError"):
        await twin.enqueue_many(keyed(MANY))
    assert (await twin.get("k0")).key == "k0"  # no answer that was left unread is taken for its own

    backend.sync.delete(broken)
    answers = await twin.enqueue_many(keyed(MANY))
    assert [one.key for one in answers] == [f"k{at}" for at in range(MANY)]
    assert not any(one.created for one in answers[:SLICE])
    assert answers[-1].created
    assert backend.sync.zcard(backend.keys.index_runs()) == MANY


async def test_many_read_the_catalogue_no_more_than_once_more(twin, backend, monkeypatch):
    reads = count_reads(monkeypatch)
    requests = [{"assistant_id": "asst", "messages": "hi", "profile": f"p{n}"} for n in range(20)]
    assert len(await twin.enqueue_many(requests)) == 20
    assert len(reads) == 1


async def test_many_of_nothing_is_nothing(twin, backend):
    assert await twin.enqueue_many([]) == []
    assert backend.left() == {}
