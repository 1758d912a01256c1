"""A Redis that takes connections and answers nothing is given up after the tries that are promised, and no more."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.settings import load_settings
from threadrun import redis_clients
from threadrun.redis_clients import RETRIES, connect, connect_async
from worker.redis_clients import async_redis_client

GIVEN_UP = (RedisConnectionError, RedisTimeoutError)


class Hanging(socketserver.ThreadingTCPServer):
    """Answer OK to everything until it hangs; count the connections made from then on."""

    daemon_threads = True
    hangs = False
    tries = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server_address[1]}/0"


class Caller(socketserver.BaseRequestHandler):
    server: Hanging

    def handle(self) -> None:
        self.server.tries += self.server.hangs
        while received := self.request.recv(4096):
            if not self.server.hangs:
                self.request.sendall(b"+OK\r\n" * received.count(b"*"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(redis_clients, "SOCKET_TIMEOUT_SECONDS", 0.4)
    with Hanging(("127.0.0.1", 0), Caller) as hanging:
        thread = threading.Thread(target=hanging.serve_forever, daemon=True)
        thread.start()
        yield hanging
        hanging.shutdown()
        thread.join()


@pytest.mark.parametrize("known", [True, False], ids=["an old connection", "a new connection"])
def test_a_blocking_client_tries_as_often_as_it_says(server: Hanging, known: bool) -> None:
    with connect(server.url) as client:
        if known:
            client.get("x")
        server.hangs = True
        with pytest.raises(GIVEN_UP):
            client.get("x")

    assert server.tries + known == RETRIES + 1


@pytest.mark.parametrize("known", [True, False], ids=["an old connection", "a new connection"])
@pytest.mark.parametrize("kind", ["callers'", "engine's"])
async def test_an_asyncio_client_tries_as_often_as_it_says(server: Hanging, kind: str, known: bool) -> None:
    settings = load_settings({"THREADRUN_REDIS_URL": server.url}, None)
    client = connect_async(server.url) if kind == "callers'" else async_redis_client(settings)
    async with client:
        if known:
            await client.get("x")
        server.hangs = True
        with pytest.raises(GIVEN_UP):
            await asyncio.wait_for(client.get("x"), 20)

    assert server.tries + known == RETRIES + 1


async def test_after_a_hang_a_client_has_all_its_tries_again(server: Hanging) -> None:
    async with connect_async(server.url) as client:
        for _ in range(2):
            server.hangs, server.tries = True, 0
            with pytest.raises(RedisError):
                await asyncio.wait_for(client.get("x"), 20)
            assert server.tries == RETRIES + 1
            server.hangs = False
            await client.get("x")
            await client.connection_pool.disconnect()
