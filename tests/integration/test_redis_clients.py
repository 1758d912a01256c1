"""Every client is built alike: same answers, same retries, and waiting where redis-py would raise."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import load_settings
from tests.integration.redis_server import real_redis_server, redis_server, wait_until_it_answers
from tests.ports import free_port
from threadrun.redis_clients import RETRIES, connect, connect_async
from worker.redis_clients import async_redis_client, redis_client


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.mark.parametrize("form", ["unix", "redis+socket"])
def test_a_socket_is_reached_in_either_spelling(url, form):
    spelt = url if form == "unix" else url.replace("unix:", "redis+socket:").replace("db=", "virtual_host=")
    with connect(spelt, client_name="shop") as client:
        assert client.ping()
        assert client.client_getname() == "shop"


async def test_both_kinds_answer_with_text(url):
    with connect(url) as client:
        client.set("greeting", "grüß dich")
        assert client.get("greeting") == "grüß dich"
    async with connect_async(url) as client:
        assert await client.get("greeting") == "grüß dich"


async def test_more_callers_than_connections_wait_for_their_turn(url):
    async with connect_async(url, max_connections=3) as client:
        counts = await asyncio.gather(*(client.incr("turns") for _ in range(60)))
    assert sorted(counts) == list(range(1, 61))


async def test_both_kinds_try_equally_often(url):
    with connect(url) as client:
        assert client.connection_pool.connection_kwargs["retry"].get_retries() == RETRIES
    async with connect_async(url) as client:
        assert client.connection_pool.connection_kwargs["retry"].get_retries() == RETRIES


def test_a_command_survives_a_connection_that_was_cut(url):
    with connect(url, client_name="cut") as client, connect(url) as other:
        client.set("before", "1")
        other.client_kill_filter(_type="normal", skipme=True)
        assert client.get("before") == "1"


async def test_a_server_that_is_not_there_is_told_soon(tmp_path):
    started = time.monotonic()
    with connect(f"unix://{tmp_path}/nobody.sock") as client, pytest.raises(RedisConnectionError):
        client.ping()
    async with connect_async(f"unix://{tmp_path}/nobody.sock") as client:
        with pytest.raises(RedisConnectionError):
            await client.ping()
    assert time.monotonic() - started < 4


async def test_settings_are_all_a_worker_needs(url):
    settings = load_settings({"THREADRUN_REDIS_URL": url}, None)
    with redis_client(settings) as client:
        assert client.client_getname() == "threadrun-worker"
    async with async_redis_client(settings) as client:
        assert await client.ping()


async def test_a_restart_of_redis_is_known_before_the_first_command_that_follows_it(tmp_path):
    """A heartbeat would tell up to five seconds later; meanwhile a create could be posted twice."""
    met: list[str] = []
    seen_at_set: list[int] = []
    with redis_server(tmp_path) as url:
        settings = load_settings({"THREADRUN_REDIS_URL": url}, None)
        client = async_redis_client(settings, met_server=met.append)
        await client.ping()
    with redis_server(tmp_path) as url:
        async with client:
            await client.set("a", "1")
            seen_at_set.append(len(set(met)))
            run_id = (await client.info("server"))["run_id"]

    assert seen_at_set == [2]
    assert met[-1] == run_id


@pytest.fixture
def sentinel_port(tmp_path: Path) -> Iterator[int]:
    """Run a master called `main` and one sentinel that guards it with the password `guard`."""
    master_port, port = free_port(), free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nrequirepass guard\nsentinel monitor main 127.0.0.1 {master_port} 1\n"
    )
    with redis_server(tmp_path, "--port", str(master_port)):
        command = [real_redis_server(), str(configuration), "--sentinel"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until_it_answers(Redis(port=port, retry=None), process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


async def test_the_master_is_found_through_sentinels_of_which_one_is_down(sentinel_port):
    variables = {
        "THREADRUN_REDIS_URL": f"sentinel://127.0.0.1:{free_port()};127.0.0.1:{sentinel_port}/4",
        "THREADRUN_REDIS_SENTINEL_MASTER": "main",
        "THREADRUN_REDIS_SENTINEL_PASSWORD": "guard",
    }
    settings = load_settings(variables, None)
    with redis_client(settings) as client:
        client.set("found", "yes")
        assert client.client_info()["db"] == 4
    async with async_redis_client(settings) as client:
        assert await client.get("found") == "yes"
