"""config/redis.acl on a real server: each user may do all that its part needs, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from tests.integration.acl.guarded import Guarded, password
from tests.integration.carrying import (
    claim_call,
    claim_one,
    claimant,
    created,
    last_words,
    move,
    opened,
    park,
    settle,
    whole_life,
)
from tests.integration.cli_scene import ADD
from threadrun import RunClient
from threadrun.cli import run as threadrun
from threadrun.client import AsyncRunClient
from threadrun.errors import IdempotencyConflict, StoreUnavailable, ThreadBusy
from threadrun.keys import Keys
from threadrun.redis_clients import connect_async
from threadrun.status import Outcome, Stage
from worker.heartbeat import Heartbeat, Served
from worker.observer import Observer
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore

KEYS = Keys()


def as_worker(guarded: Guarded, act: Callable[[RunStore], Awaitable[Any]]) -> Any:
    """Let the engine's store write, as the workers' user."""

    async def acted() -> Any:
        redis = connect_async(guarded.url_of("worker"))
        try:
            return await act(RunStore(redis, KEYS))
        finally:
            await redis.aclose()

    return asyncio.run(acted())


def beat(guarded: Guarded) -> None:
    served = Served(
        "runs@vm/1", {"kind": "runs", "host": "vm", "pid": "7"}, profiles=["default"], tools={"add": ADD}
    )
    with guarded.redis("worker") as redis:
        Heartbeat(redis, KEYS, served, Observer(5, 15), 5).beat()


def now_ms(guarded: Guarded) -> int:
    with guarded.redis("worker") as redis:
        return int(float(redis.time()[0])) * 1000  # type: ignore[index]


def test_the_web_app_may_use_the_whole_client(guarded: Guarded, web: RunClient) -> None:
    beat(guarded)
    options: dict[str, Any] = {"messages": "add", "tools": ["add"]}
    fresh = web.enqueue("asst", idempotency_key="fresh", **options)
    assert not web.enqueue("asst", idempotency_key="fresh", **options).created
    with pytest.raises(IdempotencyConflict):
        web.enqueue("asst", idempotency_key="fresh", messages="other")
    holder = web.enqueue("asst", thread_id="thread_1", messages="first")
    waiting = web.enqueue("asst", thread_id="thread_1", messages="second")
    with pytest.raises(ThreadBusy):
        web.enqueue("asst", thread_id="thread_1", messages="third", thread_strategy="reject")
    many = web.enqueue_many([{"assistant_id": "asst", "messages": "many"}] * 2)
    again = web.replay(fresh.key)

    assert len({fresh.key, holder.key, waiting.key, again.key, *(one.key for one in many)}) == 6  # type: ignore[union-attr]
    assert {run.key for run in web.list(thread_id="thread_1")} == {waiting.key, holder.key}
    assert len(web.list(status="none", limit=1)) == 1
    assert len(web.list(after=web.list(limit=1)[0].key)) == 5
    assert fresh.get().stage is Stage.CREATE
    assert [event.type for event in fresh.events()] == ["run.enqueued"]
    assert web.waits_for(waiting.key).thread_holder == holder.key
    assert web.waits_for(fresh.key).thread_holder is None
    assert (web.cancel(waiting.key), web.cancel(waiting.key)) == (True, False)
    assert set(web.tools()) == {"add"}
    assert web.stats().workers[0].alive
    assert len(web.survey().runs) == 6
    assert guarded.denied() == []


def test_the_web_app_reads_a_run_in_tools_and_its_end(guarded: Guarded, web: RunClient) -> None:
    key = web.enqueue("asst", messages="add").key

    async def carry(store: RunStore) -> None:
        await created(store, thread_id="thread_new")
        run = await opened(store, 0, 1, until_ms=now_ms(guarded) + 600_000)
        await claim_call(store, CallAddress(key, run.round + 1, 0), "token")

    as_worker(guarded, carry)
    (call,) = web.waits_for(key).calls
    assert call.worker == "tools@a"

    async def end(store: RunStore) -> None:
        await settle(store, CallAddress(key, 1, 0), "token")
        await move(store, await claim_one(store, Stage.SUBMIT), Stage.FINALIZE)
        run = await claim_one(store, Stage.FINALIZE)
        await store.finish(run, last_words(run))

    as_worker(guarded, end)
    assert web.wait(key, 5).outcome is Outcome.COMPLETED
    assert len(web.get(key).tool_calls) == 1
    assert guarded.denied() == []


@pytest.mark.parametrize("user", ["web", "operator"])
def test_people_before_the_web_app_and_operators_may_decide_about_what_waits_for_them(
    guarded: Guarded, user: str
) -> None:
    with closing(RunClient(guarded.redis(user))) as client:
        key = client.enqueue("asst", messages="add").key

        async def be_quarantined(store: RunStore) -> None:
            with guarded.redis("worker") as redis:
                for at in range(4):
                    redis.hset(KEYS.run(key), mapping={"lease_ms": 1, "holder": "runs@dead", "strikes": at})
                    redis.zadd(KEYS.agenda(Stage.CREATE, "default"), {key: 1})
                    redis.zadd(KEYS.workers(), {"runs@dead": 0})
            claimed = await store.claim(Stage.CREATE, "default", 1, 20_000, claimant())
            assert claimed.quarantined == (key,)

        async def park_two(store: RunStore) -> None:
            await created(store)
            await opened(store, 0, 2, until_ms=now_ms(guarded) + 600_000)
            await park(store, CallAddress(key, 1, 0))
            await park(store, CallAddress(key, 1, 1), "u")

        as_worker(guarded, be_quarantined)
        assert [one.place for one in client.quarantined()] == [key]
        client.release(key)
        as_worker(guarded, park_two)
        client.resolve(f"{key}/1/0", "done by hand")
        client.release(f"{key}/1/1")
        assert (client.quarantined(), client.stats().quarantined) == ((), 0)
    assert guarded.denied() == []


async def test_the_web_app_may_use_the_asyncio_client_too(guarded: Guarded) -> None:
    client = AsyncRunClient(connect_async(guarded.url_of("web")))
    run = await client.enqueue("asst", messages="hello")

    assert await run.cancel()
    await client.enqueue("asst", thread_id="thread_i")
    await client.enqueue("asst", thread_id="thread_i", thread_strategy="interrupt")
    assert [event.type async for event in run.events()] == ["run.enqueued", "run.cancel_requested"]
    assert guarded.denied() == []
    await client.close()


RUN, SEVEN = "threadrun:run:theirs", (7,)
FORBIDDEN: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    # what, and from which version of Redis the file can forbid it
    "flush all": (("FLUSHALL",), ()),
    "flush its database": (("FLUSHDB",), ()),
    "read the configuration": (("CONFIG", "GET", "*"), ()),
    "change the configuration": (("CONFIG", "SET", "appendonly", "no"), ()),
    "list keys": (("KEYS", "*"), ()),
    "scan keys": (("SCAN", "0"), ()),
    "read the users": (("ACL", "LIST"), ()),
    "see other clients": (("CLIENT", "LIST"), ()),
    "watch what others do": (("MONITOR",), ()),
    "stop the server": (("SHUTDOWN", "NOSAVE"), ()),
    "read keys of others": (("GET", "shop:cart"), ()),
    "read hashes of others": (("HGETALL", "shop:user"), ()),
    "write keys of others": (("SET", "shop:cart", "x"), ()),
    "read Celery's messages": (("LRANGE", "threadrun:mq:runs", "0", "-1"), ()),
    "send a Celery message": (("RPUSH", "threadrun:mq:tools", "{}"), ()),
    "talk to Celery's remote control": (("PUBLISH", "threadrun:mq:/0.celery.pidbox", "{}"), ()),
    "listen to Celery's results": (("SUBSCRIBE", "threadrun:mq:x"), ()),
    "delete a record": (("DEL", RUN), ()),
    "count tokens": (("HINCRBY", "threadrun:usage:2026-01-01", "runs", "1"), ()),
    "run a script that nobody loaded": (("EVAL", "return 1", "0"), ()),
    "suppress a wake-up": (("SET", "threadrun:wake:poll:default", "1"), ()),
    "let a record expire": (("EXPIRE", RUN, "1"), SEVEN),
    "replace a record": (("SET", RUN, "x"), SEVEN),
    "pretend to be a worker": (("ZADD", "threadrun:workers", "1", "runs@x/1"), SEVEN),
    "describe a worker": (("HSET", "threadrun:worker:runs@x/1", "kind", "runs"), SEVEN),
    "serve a profile": (("ZADD", "threadrun:profiles", "1", "mine"), SEVEN),
    "offer a tool": (("HSET", "threadrun:tools", "mine", "{}"), SEVEN),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_web_app_cannot(server: Guarded, what: str) -> None:
    command, since = FORBIDDEN[what]
    with server.redis("web") as redis:
        if server.version >= since:
            with pytest.raises(NoPermissionError):
                redis.execute_command(*command)
        else:  # as the file's head says of Redis 6.2
            redis.execute_command(*command)


def test_a_script_does_not_get_the_web_app_any_further(guarded: Guarded) -> None:
    with guarded.redis("web") as redis:
        for body in (
            "redis.call('FLUSHALL')",
            "redis.call('DEL', KEYS[1])",
            "redis.call('GET', 'shop:cart')",
        ):
            with pytest.raises(ResponseError, match=r"user executing the script|ACL failure"):
                redis.register_script(f"return {body}")(keys=[RUN])


def test_one_who_only_looks_reads_everything_and_writes_nothing(
    guarded: Guarded, web: RunClient, readonly: RunClient
) -> None:
    beat(guarded)
    run = web.enqueue("asst", messages="hello", idempotency_key="seen")

    assert readonly.get(run.key) == web.get(run.key)
    assert [one.key for one in readonly.list()] == ["seen"]
    assert [event.seq for event in readonly.events(run.key)] == [1]
    assert readonly.stats() is not None
    assert readonly.waits_for(run.key).stage is Stage.CREATE
    assert set(readonly.tools()) == {"add"}
    assert len(readonly.survey().runs) == 1
    assert guarded.denied() == []
    with pytest.raises(StoreUnavailable, match="NoPermissionError"):
        readonly.enqueue("asst", messages="mine")
    with pytest.raises(StoreUnavailable, match="NoPermissionError"):
        readonly.cancel(run.key)
    with guarded.redis("readonly") as redis, pytest.raises(NoPermissionError):
        redis.hset(KEYS.run(run.key), "outcome", "completed")
    assert [one.key for one in web.list()] == ["seen"]
    assert [event.type for event in web.events(run.key)] == ["run.enqueued"]


def test_one_who_only_looks_has_the_reading_commands_of_the_command_line(
    guarded: Guarded, web: RunClient, capsys: pytest.CaptureFixture[str]
) -> None:
    web.enqueue("asst", messages="hello", idempotency_key="seen")
    url = guarded.url_of("readonly")

    codes = [
        threadrun([*line, "--redis-url", url])
        for line in (["show", "seen"], ["list"], ["stats"], ["events", "seen"], ["tools", "list"])
    ]
    refused = threadrun(["cancel", "seen", "--redis-url", url])

    assert codes == [0] * 5
    assert refused != 0
    assert password("readonly") not in "".join(capsys.readouterr())


def test_whoever_names_no_user_gets_nothing(guarded: Guarded) -> None:
    with pytest.raises(StoreUnavailable), closing(RunClient.from_url(guarded.url)) as nobody:
        nobody.stats()


def test_the_worker_carries_a_run_through_the_store(guarded: Guarded, web: RunClient) -> None:
    clock_ms = now_ms(guarded)
    key = as_worker(guarded, lambda store: whole_life(web, store, clock_ms))

    assert web.get(key).outcome is Outcome.COMPLETED
    assert guarded.denied() == []


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("CLIENT", "LIST"),
        ("GET", "shop:cart"),
        ("ACL", "LIST"),
    ],
)
def test_the_worker_cannot_leave_its_prefix_or_govern_the_server(
    guarded: Guarded, command: tuple[str, ...]
) -> None:
    with guarded.redis("worker") as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command)
