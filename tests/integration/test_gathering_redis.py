"""The engine's Redis client: what is asked for together is sent together, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.settings import load_settings
from tests.integration.loop_turns import until
from tests.integration.redis_server import redis_server
from threadrun.redis_clients import connect
from worker.gathering_redis import MAX_TOGETHER, GatheringRedis
from worker.redis_clients import async_redis_client


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    async with async_redis_client(load_settings({"THREADRUN_REDIS_URL": url}, None)) as opened:
        await opened.flushall()
        yield opened


def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many commands each exchange holds."""
    sizes: list[int] = []
    ask = GatheringRedis._ask_on

    async def noting(self: Any, connection: Any, asked: Any, answers: Any) -> Any:
        sizes.append(len(asked))
        return await ask(self, connection, asked, answers)

    monkeypatch.setattr(GatheringRedis, "_ask_on", noting)
    return sizes


async def test_what_is_asked_for_together_is_sent_together_and_answered_in_its_order(client, monkeypatch):
    sizes = exchanges(monkeypatch)
    counts = await asyncio.gather(*(client.incr("turns") for _ in range(MAX_TOGETHER)))

    assert counts == list(range(1, MAX_TOGETHER + 1))
    assert sizes == [MAX_TOGETHER]


async def test_so_much_that_redis_could_serve_nobody_else_is_sent_in_parts(client, monkeypatch):
    sizes = exchanges(monkeypatch)
    await asyncio.gather(*(client.incr("turns") for _ in range(MAX_TOGETHER + 1)))

    assert sizes == [MAX_TOGETHER, 1]


async def test_what_is_asked_for_meanwhile_goes_with_the_next(client, monkeypatch):
    sizes = exchanges(monkeypatch)
    first = asyncio.create_task(client.incr("turns"))
    await until(lambda: bool(sizes))
    counts = await asyncio.gather(*(client.incr("turns") for _ in range(5)))

    assert (await first, counts, sizes) == (1, [2, 3, 4, 5, 6], [1, 5])


async def test_what_fails_fails_alone(client):
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    await client.set("text", "a")
    wrong, right, loaded = await asyncio.gather(
        client.incr("text"), client.incr("number"), script(keys=["script"]), return_exceptions=True
    )

    assert isinstance(wrong, ResponseError)
    assert (right, loaded) == (1, 1)


async def test_what_cannot_be_sent_fails_alone(client):
    wrong, half, right = await asyncio.gather(
        client.set("text", object()),
        client.set("text", "\ud800"),
        client.incr("number"),
        return_exceptions=True,
    )

    assert isinstance(wrong, TypeError)
    assert isinstance(half, UnicodeEncodeError)
    assert right == 1


async def test_what_was_answered_before_the_connection_broke_is_not_asked_again(client, monkeypatch):
    answer, answered = GatheringRedis._answer, []

    async def breaking(self, source, command, options):
        if len(answered) == 1:
            await client._connection.disconnect()
        answered.append(command)
        return await answer(self, source, command, options)

    monkeypatch.setattr(GatheringRedis, "_answer", breaking)
    first, second = await asyncio.gather(client.incr("first"), client.get("second"))

    assert (first, second) == (1, None)
    assert await client.get("first") == "1"


async def test_what_was_answered_before_redis_was_gone_is_told(client, monkeypatch):
    answer, answered = GatheringRedis._answer, []

    async def failing(self, connection, command, options):
        answered.append(command)
        if len(answered) > 1:
            raise RedisConnectionError
        return await answer(self, connection, command, options)

    monkeypatch.setattr(GatheringRedis, "_answer", failing)
    first, second = await asyncio.gather(client.incr("first"), client.get("second"), return_exceptions=True)

    assert first == 1
    assert isinstance(second, RedisConnectionError)


async def test_who_is_cancelled_takes_no_other_with_it(client):
    cancelled = asyncio.create_task(client.incr("cancelled"))
    others = [asyncio.create_task(client.incr("others")) for _ in range(3)]
    await asyncio.sleep(0)
    cancelled.cancel()

    assert await asyncio.gather(*others) == [1, 2, 3]
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_connection_that_was_cut_costs_a_repeat_and_no_error(client, url):
    await client.set("before", "1")
    with connect(url, client_name="other") as other:
        other.client_kill_filter(_type="normal", skipme=True)

    assert await asyncio.gather(*(client.get("before") for _ in range(3))) == ["1"] * 3


async def test_who_is_not_answered_in_time_hears_of_it_and_the_next_get_their_own_answers(client):
    await client.set("before", "1")
    client._connection.socket_timeout = 0.05
    never = client.blpop("nothing", timeout=0)
    heard = await asyncio.gather(never, client.get("before"), return_exceptions=True)

    assert [type(error) for error in heard] == [RedisTimeoutError] * 2
    assert await client.get("before") == "1"


async def test_a_script_that_redis_has_forgotten_is_loaded_again(client):
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    await script(keys=["turns"])
    await client.script_flush()

    assert await script(keys=["turns"]) == 2


async def test_all_who_wait_hear_that_redis_is_gone(tmp_path):
    settings = load_settings({"THREADRUN_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}, None)
    async with async_redis_client(settings) as client:
        heard = await asyncio.gather(client.get("a"), client.get("b"), return_exceptions=True)

    assert [type(error) for error in heard] == [RedisConnectionError] * 2
