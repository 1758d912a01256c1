"""The fault proxy, over real sockets: it changes nothing unless told to, and does exactly what it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.integration.faults.echo import becomes, client_of, echo, until
from threadrun.testing import FaultProxy, RunServer
from threadrun.testing.proxy_faults import (
    BlackHole,
    CutAfter,
    Drip,
    Latency,
    Refuse,
    ResetAfter,
    ResetBefore,
    Stall,
    Way,
)


async def test_without_a_fault_everything_passes_and_is_counted() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        big = bytes(range(256)) * 8192
        assert await client.ask(b"hello") == b"hello"
        assert await client.ask(big) == big
        assert noted.heard == b"hello" + big
        counts = proxy.counts()
        assert (counts.accepted, counts.open) == (1, 1)
        assert counts.request_bytes == counts.answer_bytes == 5 + len(big)
        assert counts.delayed == 0


async def test_an_end_of_one_way_leaves_the_other_open() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        client.send(b"last words")
        client.end()
        assert await client.rest() == b"last words"
        assert noted.ends == 1
        await becomes(proxy, lambda counts: counts.open == 0)


async def test_a_clients_reset_reaches_the_target_as_a_reset() -> None:
    async with echo() as (noted, proxy):
        async with client_of(proxy) as client:
            await client.ask(b"x")
            client._writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            )
        await becomes(proxy, lambda counts: counts.open == 0)
        await until(lambda: noted.resets == 1)


async def test_latency_is_added_each_way_and_keeps_order_and_throughput() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client:
        proxy.set(Latency(0.1))
        began = time.monotonic()
        for at in range(40):
            client.send(bytes([at]))
            await asyncio.sleep(0.005)
        assert await client.receive(40) == bytes(range(40))
        # Were a piece held until the one before it is out, they would take 4 s.
        assert 0.2 <= time.monotonic() - began < 2
        delayed = proxy.counts().delayed

        proxy.clear()
        assert await client.ask(b"y") == b"y"
        assert proxy.counts().delayed == delayed


async def test_a_reset_before_lets_nothing_through() -> None:
    async with echo() as (noted, proxy):
        proxy.set(ResetBefore())
        async with client_of(proxy) as client:
            with pytest.raises(ConnectionResetError):
                await client.ask(b"secret")
        assert noted.heard == b""
        assert proxy.counts().resets_before == 1
        assert proxy.counts().request_bytes == 0


async def test_a_reset_after_loses_the_answer_alone() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        assert await client.ask(b"one") == b"one"
        proxy.set(ResetAfter())
        with pytest.raises(ConnectionResetError):
            await client.ask(b"two")
        assert noted.heard == b"onetwo"
        counts = proxy.counts()
        assert (counts.answers_lost, counts.answer_bytes) == (1, 3)


@pytest.mark.parametrize(("size", "passes"), [(0, b""), (4, b"abcd"), (10, b"abcdefghij")])
async def test_an_answer_is_cut_after_so_many_bytes(size: int, passes: bytes) -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        proxy.set(CutAfter(1000))
        await client.ask(b"before it was set")
        proxy.set(CutAfter(size))
        client.send(b"abcdefghij")
        assert await client.rest() == passes
        assert noted.heard.endswith(b"abcdefghij")
        assert proxy.counts().cut == 1


async def test_a_request_is_cut_after_so_many_bytes() -> None:
    async with echo() as (noted, proxy):
        proxy.set(CutAfter(4, Way.REQUESTS))
        async with client_of(proxy) as client:
            client.send(b"abcdefghij")
            assert await client.rest() == b""
        await until(lambda: noted.ends + noted.resets == 1)
        assert noted.heard == b"abcd"


async def test_answers_drip() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client:
        proxy.set(Drip(bytes_per_second=200))
        began = time.monotonic()
        assert await client.ask(b"x" * 40) == b"x" * 40
        assert time.monotonic() - began > 0.15

        proxy.set(Drip(bytes_per_second=1))
        client.send(b"y" * 40)
        assert await client.hears_nothing_for(0.1)
        proxy.clear()
        assert await client.receive(40) == b"y" * 40


async def test_a_stall_holds_everything_and_loses_nothing() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        proxy.set(Stall())
        client.send(b"y" * 1_000_000)
        assert await client.hears_nothing_for(0.1)
        assert noted.heard == b"x"
        proxy.clear()
        assert await client.receive(1_000_000) == b"y" * 1_000_000


async def test_a_black_hole_swallows_and_stays_open_and_deaf() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        proxy.set(BlackHole())
        async with client_of(proxy) as later:
            later.send(b"lost")
            client.send(b"lost too")
            await becomes(proxy, lambda counts: counts.swallowed_bytes == 12)
            proxy.clear()
            client.send(b"still lost")
            assert await client.hears_nothing_for(0.05)
            assert await later.hears_nothing_for(0.05)
            assert noted.heard == b"x"
            later.end()
            assert await later.rest() == b""
        assert (await becomes(proxy, lambda counts: counts.open == 1)).accepted == 2


async def test_refused_connections_are_really_refused_and_the_port_is_kept() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        proxy.set(Refuse())
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*proxy.address)
        assert await client.ask(b"open ones go on") == b"open ones go on"
        with closing(socket.socket()) as thief, pytest.raises(OSError, match="in use"):
            thief.bind(proxy.address)
        proxy.clear()
        async with client_of(proxy) as later:
            assert await later.ask(b"again") == b"again"


async def test_half_opened_clients_believe_in_a_target_that_is_gone() -> None:
    async with echo() as (noted, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        assert proxy.half_open() == 1
        client.send(b"anybody?")
        await becomes(proxy, lambda counts: counts.swallowed_bytes == 8)
        assert await client.hears_nothing_for(0.05)
        assert noted.heard == b"x"
        assert proxy.half_open() == 0
        async with client_of(proxy) as later:
            assert await later.ask(b"fine") == b"fine"


async def test_open_connections_are_reset_on_demand() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client, client_of(proxy) as other:
        await client.ask(b"x")
        await other.ask(b"x")
        assert proxy.reset_connections() == 2
        with pytest.raises(ConnectionResetError):
            await client.receive(1)
        assert proxy.counts().reset_on_demand == 2


async def test_a_fault_for_new_connections_leaves_the_open_ones_alone() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        proxy.set(ResetBefore(), on="new")
        assert await client.ask(b"fine") == b"fine"
        for _ in range(2):
            async with client_of(proxy) as later:
                with pytest.raises(ConnectionResetError):
                    await later.ask(b"x")


async def test_a_fault_for_the_next_connections_wears_off_and_comes_on_top() -> None:
    async with echo() as (_, proxy):
        proxy.set(Latency(0.05))
        proxy.set(ResetBefore(), on=2)
        for _ in range(2):
            async with client_of(proxy) as client:
                with pytest.raises(ConnectionResetError):
                    await client.ask(b"x")
        async with client_of(proxy) as client:
            assert await client.ask(b"fine") == b"fine"
        counts = proxy.counts()
        assert counts.resets_before == 2
        assert counts.delayed >= 1


@pytest.mark.parametrize(("fault", "on"), [(Refuse(), 1), (ResetBefore(), 0)])
def test_a_scope_that_cannot_be_is_refused(fault: Refuse | ResetBefore, on: int) -> None:
    with pytest.raises(ValueError, match="number of connections"):
        FaultProxy(("127.0.0.1", 1)).set(fault, on=on)


async def test_a_target_that_is_away_resets_its_client() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        address = unused.getsockname()
    with FaultProxy(address) as proxy:
        # The reset may come while the client still connects, or as late as it reads.
        with pytest.raises(ConnectionError):
            async with client_of(proxy) as client:
                await client.ask(b"x")
        assert proxy.counts().unreachable == 1


async def test_a_stop_ends_all_connections_and_a_second_start_listens_again() -> None:
    async with echo() as (_, proxy), client_of(proxy) as client:
        await client.ask(b"x")
        address = proxy.address
        proxy.stop()
        proxy.stop()
        with pytest.raises(ConnectionResetError):
            await client.receive(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        proxy.start()
        assert proxy.address == address
        with pytest.raises(RuntimeError, match="running already"):
            proxy.start()
        async with client_of(proxy) as later:
            assert await later.ask(b"y") == b"y"


def test_faults_can_be_set_from_many_threads_before_and_during_its_life() -> None:
    from threading import Thread

    proxy = FaultProxy(("127.0.0.1", 1))
    proxy.set(Refuse())
    with proxy:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.address)

        def turn() -> None:
            for _ in range(20):
                proxy.set(Refuse())
                proxy.clear()

        threads = [Thread(target=turn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        proxy.clear()
        socket.create_connection(proxy.address).close()


def test_before_a_run_server_its_url_is_the_proxys() -> None:
    with RunServer() as server, FaultProxy.before(server.base_url) as proxy:
        headers = {"Authorization": "Bearer any", "OpenAI-Beta": "assistants=v2"}
        assert proxy.url == f"http://127.0.0.1:{proxy.address[1]}/v1"
        with httpx.Client(base_url=proxy.url, headers=headers, trust_env=False) as http:
            took = []
            for _ in range(41):
                began = time.monotonic()
                assert http.post("/threads", json={}).status_code == 200
                took.append(time.monotonic() - began)
            # Without TCP_NODELAY on both sides of the proxy most would take 40 ms, however idle the machine.
            assert sorted(took)[10] < 0.03
            proxy.set(ResetAfter())
            with pytest.raises(httpx.ReadError):
                http.post("/threads", json={})
        assert len(server.effects("thread.created")) == 42


def test_before_redis_on_a_unix_socket_it_speaks_tcp(redis_url: str) -> None:
    with FaultProxy.before(redis_url) as proxy:
        assert proxy.url == f"redis://127.0.0.1:{proxy.address[1]}?db=0"
        with Redis.from_url(proxy.url, retry=None, socket_timeout=0.2) as redis:
            assert redis.incr("proxied") == 1
            proxy.set(ResetAfter())
            with pytest.raises(RedisConnectionError):
                redis.incr("proxied")
            proxy.clear()
            assert redis.get("proxied") == b"2"
            proxy.set(BlackHole())
            with pytest.raises(RedisTimeoutError):
                redis.incr("proxied")
            proxy.clear()
            assert redis.get("proxied") == b"2"
            redis.delete("proxied")


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("redis://user:pw@10.0.0.1:6379/3", "redis://user:pw@127.0.0.1:0/3"),
        ("http://10.0.0.1:80/v1?a=b", "http://127.0.0.1:0/v1?a=b"),
        ("unix:///run/redis.sock?db=2", "redis://127.0.0.1:0?db=2"),
        ("unix://user:pw@/run/redis.sock", "redis://user:pw@127.0.0.1:0"),
    ],
)
def test_a_url_keeps_everything_but_its_address(url: str, through: str) -> None:
    assert FaultProxy.before(url).url == through


def test_a_proxy_without_a_usable_target_says_what_to_give() -> None:
    with pytest.raises(ValueError, match="give both"):
        FaultProxy.before("redis:///0")
    with pytest.raises(RuntimeError, match="use `address`"):
        _ = FaultProxy(Path("/run/redis.sock")).url
