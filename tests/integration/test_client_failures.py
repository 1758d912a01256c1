"""Without Redis, or with the wrong client: every method of both clients says so in threadrun's own words."""

from __future__ import annotations

import time

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, ResponseError

from tests.integration.backend import Twin
from threadrun import redis_clients
from threadrun.client import AsyncRunClient, RunClient, patience
from threadrun.errors import InvalidRequest, SettingsInvalid, StoreUnavailable, ThreadrunError
from threadrun.keys import DEFAULT_PREFIX

CALLS = [
    ("enqueue", ("asst",), {"messages": "hi"}),
    ("enqueue", ("asst",), {"messages": "hi", "tools": ["add"]}),
    ("enqueue_many", ([{"assistant_id": "asst", "messages": "hi"}],), {}),
    ("replay", ("a",), {}),
    ("get", ("a",), {}),
    ("list", (), {}),
    ("list", (), {"after": "a"}),
    ("wait", ("a",), {"timeout": 5}),
    ("events", ("a",), {}),
    ("cancel", ("a",), {}),
    ("tools", (), {}),
    ("stats", (), {}),
    ("waits_for", ("a",), {}),
    ("survey", (), {}),
]


@pytest.fixture(params=["sync", "asyncio"])
async def dead(request, tmp_path, monkeypatch):
    """Each client with a Redis that nobody runs."""
    monkeypatch.setattr(redis_clients, "RETRIES", 0)  # that they are tried again is tested with the clients
    url = f"unix://:very-secret@{tmp_path}/nobody.sock"
    client = (RunClient if request.param == "sync" else AsyncRunClient).from_url(url)
    yield Twin(client)
    await Twin(client).close()


@pytest.mark.parametrize(("method", "args", "options"), CALLS, ids=lambda value: str(value)[:40])
async def test_a_redis_that_does_not_answer_is_told_soon_and_without_the_password(
    dead, method, args, options
):
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await getattr(dead, method)(*args, **options)

    assert isinstance(caught.value, ThreadrunError)
    assert isinstance(caught.value, ConnectionError)
    assert "very-secret" not in str(caught.value)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("method", "args", "options"), CALLS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("backend", ["fakeredis"], indirect=True)
async def test_an_error_answer_of_redis_is_no_foreign_exception(
    twin, backend, monkeypatch, method, args, options
):
    def refuse(*_, **__):
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.\nredis://user:pw@host")

    redis = twin.client._redis
    for name in ("execute_command", "pipeline"):
        monkeypatch.setattr(redis, name, refuse)

    with pytest.raises(StoreUnavailable) as caught:
        await getattr(twin, method)(*args, **options)
    assert caught.value.reason.startswith("ResponseError: OOM command not allowed")
    assert "pw@host" not in str(caught.value)


async def test_a_redis_that_dies_in_the_middle_of_following_and_stays_away_is_told(twin, monkeypatch):
    monkeypatch.setattr(patience, "RIDE_OUT_SECONDS", 0.3)
    key = (await twin.enqueue("asst", messages="hi")).key
    redis = twin.client._redis

    def refuse(*_, **__):
        raise ConnectionResetError("gone")

    found = twin.client.events(key, follow=True)
    first = await anext(found) if hasattr(found, "__anext__") else next(found)
    monkeypatch.setattr(redis, "pipeline", refuse)
    with pytest.raises(StoreUnavailable, match="ConnectionResetError"):
        await anext(found) if hasattr(found, "__anext__") else next(found)
    assert first.seq == 1


async def test_a_wait_tells_of_redis_at_its_own_timeout_and_does_not_blame_the_run(twin, monkeypatch):
    key = (await twin.enqueue("asst", messages="hi")).key
    redis, looks = twin.client._redis, []
    answer = redis.hget

    def die_later(*args):
        looks.append(args)
        if len(looks) > 2:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        return answer(*args)

    monkeypatch.setattr(redis, "hget", die_later)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="BusyLoadingError"):
        await twin.wait(key, 0.7)
    assert 0.7 <= time.monotonic() - started < 3
    assert 4 < len(looks) < 15


@pytest.mark.parametrize("error", [AuthenticationError("bad"), NoPermissionError("no"), ResponseError("OOM")])
async def test_what_does_not_pass_by_itself_is_not_waited_for(twin, monkeypatch, error):
    key = (await twin.enqueue("asst", messages="hi")).key
    redis, looks = twin.client._redis, []
    answer = redis.hget

    def refuse_later(*args):
        looks.append(args)
        if len(looks) > 1:
            raise error
        return answer(*args)

    monkeypatch.setattr(redis, "hget", refuse_later)
    with pytest.raises(StoreUnavailable):
        await twin.wait(key, 30)
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("kind", "redis"), [(RunClient, FakeRedis), (AsyncRunClient, FakeAsyncRedis)], ids=["sync", "asyncio"]
)
@pytest.mark.parametrize("options", [{}, {"decode_responses": False}])
async def test_a_redis_client_that_answers_with_bytes_is_refused_at_once(kind, redis, options):
    with pytest.raises(InvalidRequest) as caught:
        kind(redis(server=FakeServer(), **options))
    assert [problem.path for problem in caught.value.problems] == ["redis"]
    assert "decode_responses=True" in str(caught.value)


@pytest.mark.parametrize("kind", [RunClient, AsyncRunClient])
async def test_a_client_is_made_from_the_variables_that_the_workers_read(kind, redis_url):
    variables = {"THREADRUN_REDIS_URL": redis_url, "THREADRUN_KEY_PREFIX": "shop:"}
    twin = Twin(kind.from_env(variables))
    await twin.enqueue("asst", messages="hi", idempotency_key="a")
    plain = Twin(kind.from_env({"THREADRUN_REDIS_URL": redis_url}))

    assert [run.key for run in await twin.list()] == ["a"]
    assert await plain.list() == []
    assert twin.client._operations.keys.prefix == "shop:"
    assert plain.client._operations.keys.prefix == DEFAULT_PREFIX
    await twin.close()
    await plain.close()
    with RunClient.from_url(redis_url)._redis as redis:
        redis.flushdb()


@pytest.mark.parametrize("kind", [RunClient, AsyncRunClient])
async def test_without_variables_the_local_redis_is_meant(kind):
    client = kind.from_env({})
    options = client._redis.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("127.0.0.1", 6379, 0)
    await Twin(client).close()


@pytest.mark.parametrize("kind", [RunClient, AsyncRunClient])
async def test_sentinels_are_asked_for_the_master_that_the_variables_name(kind):
    variables = {
        "THREADRUN_REDIS_URL": "sentinel://127.0.0.1:1",
        "THREADRUN_REDIS_SENTINEL_MASTER": "main",
        "THREADRUN_REDIS_SENTINEL_PASSWORD": "guard",
    }
    client = kind.from_env(variables)
    pool = client._redis.connection_pool
    assert pool.service_name == "main"
    assert pool.sentinel_manager.sentinel_kwargs["password"] == "guard"
    await Twin(client).close()
    with pytest.raises(SettingsInvalid, match="sentinel_master"):
        kind.from_env({"THREADRUN_REDIS_URL": "sentinel://127.0.0.1:1"})


@pytest.mark.parametrize("kind", [RunClient, AsyncRunClient])
def test_a_url_that_cannot_be_is_refused_without_repeating_it(kind):
    with pytest.raises(SettingsInvalid) as caught:
        kind.from_url("http://:very-secret@host")
    assert "very-secret" not in str(caught.value)
