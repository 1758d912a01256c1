"""Purging runs: nothing names them afterwards, nobody else loses anything, and open runs are refused."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from tests.integration.backend import Twin
from tests.integration.carrying import (
    claim_one,
    claimed,
    ended,
    finish_from,
    last_words,
    whole_life,
)
from threadrun.errors import InvalidRequest, RunsStillOpen
from threadrun.status import Outcome, Stage

_tags = count(1)


def message(task: str, args: list[Any], **kwargs: Any) -> str:
    """Spell a message as kombu leaves it in Redis."""
    body = base64.b64encode(json.dumps([args, kwargs, {}]).encode()).decode()
    properties = {"body_encoding": "base64", "delivery_tag": str(next(_tags))}
    headers = {"task": task, "argsrepr": repr(args)}
    return json.dumps({"body": body, "headers": headers, "properties": properties})


def everything(backend) -> str:
    """Read the whole deployment as one text, encoded bodies included: the test's own look, not the product's."""
    found = []
    for name, kind in backend.left().items():
        value = (
            backend.sync.xrange(backend.prefix + name)
            if kind == "stream"
            else backend._value(backend.prefix + name, kind)
        )
        found.append(f"{name} {value}")
    text = "\n".join(found)
    bodies = [part for part in text.replace("\\", "").split('"') if len(part) > 30]
    return text + "\n".join(
        base64.b64decode(body + "==").decode(errors="replace") for body in bodies if ok(body)
    )


def ok(body: str) -> bool:
    try:
        return bool(base64.b64decode(body, validate=True))
    except ValueError:
        return False


async def finished_in_thread(client, store, key: str, thread: str = "thread_1") -> None:
    client.enqueue("asst", thread_id=thread, messages="secret", idempotency_key=key)
    await finish_from(store, Stage.CREATE)


async def test_a_purged_run_is_named_nowhere_and_the_proof_says_what_was_looked_at(
    twin, backend, client, store
):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7")
    backend.sync.rpush(backend.prefix + "mq:tools", message("tools.execute", ["order-7", 1, 0]))
    backend.sync.rpush(backend.prefix + "mq:runs", message("runs.enqueue", [{"idempotency_key": "order-7"}]))
    by_keyword = message("runs.enqueue", [], request={"idempotency_key": "order-7"})
    backend.sync.rpush(backend.prefix + "mq:runs", by_keyword)
    backend.sync.set(
        backend.prefix + "mq:celery-task-meta-1", json.dumps({"status": "SUCCESS", "result": "order-7"})
    )
    refused = {"exc_type": "IdempotencyConflict", "exc_message": ["Run key 'order-7' already stands for …"]}
    backend.sync.set(
        backend.prefix + "mq:celery-task-meta-2", json.dumps({"status": "FAILURE", "result": refused})
    )
    before = len(backend.left())

    done = await twin.purge("order-7")

    assert done.clean
    assert done.run_keys == ("order-7",)
    assert done.keys_deleted == 3
    assert "order-7" not in everything(backend)
    assert "add 3 and 4" not in everything(backend)
    assert 0 < done.keys_looked_at <= before
    assert not await twin.list()
    assert {name.split(":")[0] for name in backend.left()} <= {"usage", "stream"}


@pytest.fixture
def caller(client):
    """Purge by the sync client; its twin runs the same operation."""
    return Twin(client)


async def test_counters_of_usage_stay(client, store, backend, caller):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7")
    before = backend.dump("usage")

    await caller.purge("order-7")

    assert before
    assert backend.dump("usage") == before


async def test_a_repeat_finds_nothing_and_proves_it_again(client, store, backend, caller):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7")
    await caller.purge("order-7")

    again = await caller.purge("order-7")

    assert (again.run_keys, again.keys_deleted, again.clean) == ((), 0, True)


async def test_others_keep_all_they_have(client, store, backend, caller):
    await finished_in_thread(client, store, "a", "thread_1")
    await finished_in_thread(client, store, "a:b", "thread_1")
    client.enqueue("asst", thread_id="thread_1", messages="mine", idempotency_key="tools")
    kept = backend.dump("run:a:b", "run:tools", "agenda", "thread")

    await caller.purge("a")

    assert backend.dump("run:a:b", "run:tools", "agenda", "thread") == kept
    assert [run.key for run in await caller.list(thread_id="thread_1")] == ["tools", "a:b"]
    assert {run for _, fields in backend.sync.xrange(backend.keys.stream()) for run in [fields["run"]]} == {
        "a:b",
        "tools",
    }


@pytest.mark.parametrize("key", ["tools", "runs", "default", "add", "7", "none"])
async def test_a_key_that_is_also_a_word_of_ours_takes_nothing_else_along(
    client, store, backend, caller, key
):
    await whole_life(client, store, backend.now_ms(), idempotency_key=key)
    await whole_life(client, store, backend.now_ms(), idempotency_key="other")
    backend.sync.rpush(backend.prefix + "mq:tools", message("runs.poll", ["default"]))
    kept = backend.dump("run:other", "mq:", "usage")

    done = await caller.purge(key)

    assert done.clean
    assert backend.dump("run:other", "mq:", "usage") == kept


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_open_run_is_refused_and_nothing_is_purged(client, store, backend, caller, cancelled):
    await finished_in_thread(client, store, "done")
    client.enqueue("asst", messages="hi", idempotency_key="open")
    if cancelled:  # a wish is not an end: the provider's run may still be there
        client.cancel("open")
    before = backend.dump()

    with pytest.raises(RunsStillOpen, match="Cancel first") as refused:
        await caller.purge("done", "open")

    assert refused.value.run_keys == ("open",)
    assert backend.dump() == before


async def test_a_run_whose_caller_is_still_to_be_told_is_open(client, store, backend, caller):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7", on_done="shop.done")

    with pytest.raises(RunsStillOpen):
        await caller.purge("order-7")
    await store.told(await claim_one(store, Stage.FINALIZE))
    assert (await caller.purge("order-7")).clean


async def test_a_finished_run_whose_thread_is_watched_for_twins_is_open(client, store, backend, caller):
    await finished_in_thread(client, store, "a")
    backend.sync.zadd(backend.keys.twins("default"), {"a": 1})
    backend.sync.hset(backend.keys.twins_of("a"), "claim", 1)
    before = backend.dump("run:", "twins")

    with pytest.raises(RunsStillOpen):
        await caller.purge("a")
    assert backend.dump("run:", "twins") == before
    backend.sync.delete(backend.keys.twins("default"))
    assert (await caller.purge("a")).clean
    assert not backend.sync.exists(backend.keys.twins_of("a"))


async def test_a_call_in_hand_or_in_quarantine_is_a_mention_too(client, store, backend, caller):
    await finished_in_thread(client, store, "a")
    for name in (backend.keys.quarantine(), backend.keys.hands("tools@vm/1")):
        backend.sync.zadd(name, {"a/1/0": 1, "ab/1/0": 1})

    assert (await caller.purge("a")).clean

    assert backend.sync.zrange(backend.keys.quarantine(), 0, -1) == ["ab/1/0"]
    assert backend.sync.zrange(backend.keys.hands("tools@vm/1"), 0, -1) == ["ab/1/0"]


async def test_all_runs_of_a_thread_go_with_the_thread_itself(client, store, backend, caller):
    for key in ("a", "b"):
        await finished_in_thread(client, store, key)
    await finished_in_thread(client, store, "c", "thread_10")

    done = await caller.purge(thread_id="thread_1")

    assert done.clean
    assert done.run_keys == ("b", "a") or done.run_keys == ("a", "b")
    assert "thread_1'" not in everything(backend)
    assert not [name for name in backend.left() if name.split(":")[-1] == "thread_1"]
    assert [run.key for run in await caller.list()] == ["c"]


async def test_a_thread_id_is_not_taken_for_that_of_another_profile(client, store, backend, caller):
    await finished_in_thread(client, store, "a")

    done = await caller.purge(thread_id="thread_1", profile="other")

    assert done.clean
    assert done.run_keys == ()
    assert (await caller.get("a")).final


async def test_a_thread_with_an_open_run_is_refused_whole(client, store, backend, caller):
    await finished_in_thread(client, store, "a")
    client.enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key="b")

    with pytest.raises(RunsStillOpen):
        await caller.purge(thread_id="thread_1")
    assert (await caller.get("a")).final


async def test_the_thread_goes_to_the_next_run_when_a_purged_one_still_held_it(
    client, store, backend, caller
):
    await finished_in_thread(client, store, "a")
    client.enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key="b")
    client.enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key="c")
    backend.sync.set(
        backend.keys.thread("default", "thread_1") + ":active", "a"
    )  # as a defect would leave it
    backend.sync.lpush(backend.keys.thread("default", "thread_1") + ":waiting", "a")
    backend.sync.rpush(backend.keys.thread("default", "thread_1") + ":waiting", "b")

    assert (await caller.purge("a")).clean

    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == "c"
    (run,) = [run for run in await claimed(store, Stage.WAITING) if run.key == "c"]
    assert run.key == "c"


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_thread_held_by_a_run_whose_record_is_gone_is_freed(client, store, backend, caller, waiting):
    mailbox = backend.keys.thread("default", "thread_1")
    backend.sync.set(mailbox + ":active", "gone")
    if waiting:  # since the holder still had a record
        backend.sync.hset(backend.keys.run("gone"), "stage", "poll")
        client.enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key="next")
        backend.sync.delete(backend.keys.run("gone"))

    done = await caller.purge("gone")

    assert done.clean
    assert done.run_keys == ("gone",)
    assert backend.sync.get(mailbox + ":active") == ("next" if waiting else None)


async def test_what_an_expired_record_left_in_the_indexes_goes_too(client, store, backend, caller):
    await finished_in_thread(client, store, "a")
    backend.sync.delete(*backend.keys.of_run("a"))

    done = await caller.purge("a")

    assert done.clean
    assert done.run_keys == ("a",)
    assert "'a'" not in everything(backend)


async def test_runs_go_by_the_time_since_their_end(client, store, backend, caller):
    backend.sync.set(backend.clock_key, int(backend.sync.time()[0]) * 1000 - 40 * 86_400_000)
    await finished_in_thread(client, store, "old")
    await finished_in_thread(client, store, "expired")
    backend.sync.delete(*backend.keys.of_run("expired"))
    backend.turn(20 * 86_400)
    await finished_in_thread(client, store, "young")
    client.enqueue("asst", messages="hi", idempotency_key="open")
    backend.sync.zadd(backend.keys.index_runs(), {"open": 1})

    done = await caller.purge(older_than=timedelta(days=30))

    assert done.clean
    assert sorted(done.run_keys) == ["expired", "old"]
    assert sorted(run.key for run in await caller.list()) == ["open", "young"]


async def test_a_jump_of_redis_clock_makes_no_run_older_than_it_is(client, store, backend, caller):
    backend.sync.set(backend.clock_key, int(backend.sync.time()[0]) * 1000)
    backend.sync.hset(backend.keys.clock(), "ahead_ms", 60 * 86_400_000)  # as workers leave it after a jump
    await finished_in_thread(client, store, "young")

    assert not (await caller.purge(older_than=timedelta(days=30))).run_keys
    assert (await caller.purge(older_than=timedelta(0))).run_keys == ("young",)


async def test_a_replay_forgets_what_it_replayed(client, store, backend, caller):
    await finished_in_thread(client, store, "first")
    client.replay("first", idempotency_key="second")

    assert (await caller.purge("first")).clean

    events = [event async for event in _events(caller, "second")]
    assert [event.seq for event in events] == [1]
    assert events[0].data == {"profile": "default", "replay_of": None}


async def _events(caller, key):
    for event in await caller.events(key):
        yield event


async def test_messages_in_hand_and_those_of_others_are_left_and_told(client, store, backend, caller):
    await finished_in_thread(client, store, "a")
    in_hand = json.dumps([json.loads(message("tools.execute", ["a", 1, 0])), "", "tools"])
    backend.sync.hset(backend.prefix + "mq:unacked", "tag", in_hand)
    backend.sync.rpush(backend.prefix + "mq:shop", message("shop.done", [], run_key="a", outcome="completed"))

    done = await caller.purge("a")

    assert not done.clean
    assert sorted(trace.key.removeprefix(backend.prefix) for trace in done.left) == ["mq:shop", "mq:unacked"]
    assert {trace.run_key for trace in done.left} == {"a"}


async def test_a_run_enqueued_anew_under_a_purged_key_is_not_touched(client, store, backend, monkeypatch):
    await finished_in_thread(client, store, "a")
    asked = []

    # Between the script of the run and the search for what is left.
    def scan(*args, **options):
        if "match" in options and not asked:
            asked.append(client.enqueue("asst", thread_id="thread_1", messages="new", idempotency_key="a"))
        return type(backend.sync).scan(backend.sync, *args, **options)

    monkeypatch.setattr(backend.sync, "scan", scan)
    done = client.purge("a")

    assert asked
    assert not done.clean
    assert {trace.run_key for trace in done.left} == {"a"}
    assert [run.key for run in await claimed(store, Stage.CREATE)] == ["a"]
    assert backend.sync.get(backend.keys.thread("default", "thread_1") + ":active") == "a"


async def test_a_purged_run_that_a_worker_is_just_finishing_comes_to_nothing(client, store, backend, caller):
    client.enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key="a")
    assert (await ended(store, await claim_one(store, Stage.CREATE), Outcome.COMPLETED)).ok
    late = await claim_one(store, Stage.FINALIZE)
    assert (await store.finish(late, last_words(late))).ok
    await caller.purge("a")

    assert not (await store.finish(late, last_words(late))).ok
    assert not backend.sync.exists(*backend.keys.of_run("a"))


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ((), {}),
        (("a",), {"thread_id": "thread_1"}),
        (("a",), {"older_than": timedelta(days=1)}),
        (("a/b",), {}),
        (("*",), {}),
        ((), {"older_than": timedelta(days=-1)}),
        ((), {"thread_id": "\ud800"}),
        ((), {"thread_id": "thread_1", "profile": "\ud800"}),
    ],
)
async def test_what_is_purged_must_be_said_in_one_way(caller, keys, options):
    with pytest.raises(InvalidRequest):
        await caller.purge(*keys, **options)
