"""Old requests again, through both clients."""

from __future__ import annotations

import pytest

from tests.integration.carrying import whole_life
from tests.integration.serving import serve
from threadrun.client import catalogue as catalogue_module
from threadrun.errors import RunNotFound, UnknownTool
from threadrun.status import Stage


async def test_a_replay_is_a_new_run_of_the_same_request(twin, backend, client, store):
    serve(backend, "add")
    key = await whole_life(client, store, backend.now_ms(), tools=["add", {"type": "file_search"}],
                           metadata={"a": "b"}, on_done={"task": "t", "queue": "q"})  # fmt: skip

    handle = await twin.replay(key)

    assert handle.created
    assert handle.key != key
    old, new = await twin.get(key), await twin.get(handle.key)
    assert new.request == old.request
    assert (new.stage, new.thread_id, new.run_id) == (Stage.CREATE, None, None)
    (event,) = new.transitions
    assert (event.type, event.data["replay_of"]) == ("run.enqueued", key)
    assert backend.sync.hget(backend.keys.run(handle.key), "tool_names") == "add"


async def test_a_replay_under_a_key_happens_once(twin):
    key = (await twin.enqueue("asst", messages="hi")).key
    first = await twin.replay(key, idempotency_key="again")
    second = await twin.replay(key, idempotency_key="again")
    assert (first.key, first.created, second.created) == ("again", True, False)


async def test_a_replay_of_nothing_or_of_what_is_no_longer_served_is_refused(twin, backend):
    serve(backend, "add")
    key = (await twin.enqueue("asst", messages="hi", tools=["add"])).key
    with pytest.raises(RunNotFound):
        await twin.replay("nobody")

    backend.sync.delete(backend.keys.tools())
    # A client of another process, which has not read the old catalogue.
    twin.client._operations.shelf._catalogue = catalogue_module.Catalogue()
    with pytest.raises(UnknownTool):
        await twin.replay(key)
    assert [run.key for run in await twin.list()] == [key]
