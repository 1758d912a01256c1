"""What the transport says of requests that go wrong, each over a real socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
import pytest

from tests.unit.raw_server import Peer, answering, raw_server
from worker.transport import Answered, Broken, Fault, HttpTransport, NeverSent, Outcome
from worker.transport.connection import SingleUseConnector
from worker.transport.outcome import Unsent

HEADERS = httpx.Headers({"accept-encoding": "gzip, deflate"})
METHODS = pytest.mark.parametrize("method", ["GET", "POST"])


@asynccontextmanager
async def transport(deadline_seconds: float = 5.0, max_connections: int = 4) -> AsyncIterator[HttpTransport]:
    opened = HttpTransport(deadline_seconds=deadline_seconds, max_connections=max_connections)
    try:
        yield opened
    finally:
        await opened.aclose()


async def send(url: str, method: str = "POST", deadline_seconds: float = 5.0) -> Outcome:
    async with transport(deadline_seconds) as opened:
        return await opened.send(method, f"{url}/v1", HEADERS, b"{}" if method == "POST" else None)


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def self_signed() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    return context


# Never sent.


@METHODS
async def test_a_refused_connection_was_never_sent(method: str) -> None:
    outcome = await send(f"http://127.0.0.1:{closed_port()}", method)
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.REFUSED


async def test_an_unknown_host_was_never_sent() -> None:
    outcome = await send("http://no-such-host.invalid")
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.UNKNOWN_HOST


async def test_a_certificate_that_is_not_trusted_was_never_sent(self_signed: ssl.SSLContext) -> None:
    async with raw_server(answering(b"{}"), tls=self_signed) as server:
        outcome = await send(server.url)
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.TLS
    assert "self-signed certificate" in outcome.detail
    assert server.requests == []


async def test_a_server_that_speaks_no_tls_was_never_sent() -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain) as server:
        outcome = await send(server.url.replace("http:", "https:"))
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.TLS


async def test_a_hang_up_during_the_tls_handshake_was_never_sent() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.reader.read(1)

    async with raw_server(hang_up) as server:
        outcome = await send(server.url.replace("http:", "https:"))
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.UNREACHABLE


async def test_a_silent_tls_handshake_was_never_sent() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.Event().wait()

    async with raw_server(silent) as server:
        outcome = await send(server.url.replace("http:", "https:"), deadline_seconds=0.2)
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.CONNECT_TIMEOUT


async def test_a_request_that_got_no_connection_of_the_pool_in_time_was_never_sent() -> None:
    arrived = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(silent) as server, transport(max_connections=1) as opened:
        first = asyncio.create_task(opened.send("GET", server.url, HEADERS))
        await arrived.wait()
        opened._deadline_seconds = 0.1
        outcome = await opened.send("POST", server.url, HEADERS, b"{}")
        first.cancel()
        assert len(server.requests) == 1
    assert isinstance(outcome, NeverSent)
    assert outcome.why is Unsent.CONNECT_TIMEOUT


async def test_a_closed_transport_sends_nothing() -> None:
    async with raw_server(answering(b"{}")) as server:
        async with transport() as opened:
            assert isinstance(await opened.send("GET", server.url, HEADERS), Answered)
        outcome = await opened.send("GET", server.url, HEADERS)
    assert isinstance(outcome, NeverSent)
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http://[", "http://127.0.0.1:99999/"])
async def test_a_url_that_cannot_be_asked_was_never_sent(url: str) -> None:
    async with transport() as opened:
        assert isinstance(await opened.send("GET", url, HEADERS), NeverSent)


# Sent, and no answer.


@METHODS
async def test_a_hang_up_after_the_request_is_unknown_and_sent_once(method: str) -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async with raw_server(hang_up) as server:
        outcome = await send(server.url, method)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.CONNECTION_LOST
    assert len(server.requests) == 1
    assert server.connections == 1


@METHODS
async def test_a_reset_after_the_request_is_unknown(method: str) -> None:
    async def reset(peer: Peer) -> None:
        await peer.request()
        peer.writer.transport.abort()

    async with raw_server(reset) as server:
        outcome = await send(server.url, method)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.CONNECTION_LOST


@METHODS
async def test_a_kept_connection_that_the_server_closed_is_never_used_for_a_second_send(method: str) -> None:
    async def one_answer_then_hang_up_on_the_next(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")
        await peer.request()

    async with raw_server(one_answer_then_hang_up_on_the_next) as server, transport() as opened:
        assert isinstance(await opened.send("GET", server.url, HEADERS), Answered)
        outcome = await opened.send(method, server.url, HEADERS, b"{}" if method == "POST" else None)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.CONNECTION_LOST
    assert len(server.requests) == 2
    assert server.connections == 1


async def test_a_kept_connection_seen_closed_is_replaced_before_sending() -> None:
    async def one_answer(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")

    async with raw_server(one_answer) as server, transport() as opened:
        for _ in range(3):
            assert isinstance(await opened.send("POST", server.url, HEADERS, b"{}"), Answered)
            await server.all_hung_up()
    assert server.connections == 3
    assert len(server.requests) == 3


async def test_a_silent_server_is_unknown_at_the_deadline() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await asyncio.Event().wait()

    async with raw_server(silent) as server:
        outcome = await send(server.url, deadline_seconds=0.2)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.TIMEOUT


async def test_headers_that_drip_are_cut_off_at_the_deadline() -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"x-drop: 1\r\n")
            await asyncio.sleep(0.05)

    async with raw_server(drip) as server:
        outcome = await send(server.url, deadline_seconds=0.3)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.TIMEOUT


@METHODS
@pytest.mark.parametrize(
    "answer",
    [
        b"HELLO\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 200 " + b"a" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{",
        b"\x15\x03\x01\x00\x02\x02\x16",
    ],
)
async def test_what_is_not_http_is_unknown(method: str, answer: bytes) -> None:
    async def garbage(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    async with raw_server(garbage) as server:
        outcome = await send(server.url, method)
    assert isinstance(outcome, Broken)
    assert outcome.fault in {Fault.BAD_RESPONSE, Fault.CONNECTION_LOST}
    assert len(outcome.detail) < 100


async def test_a_future_cancelled_below_is_no_cancellation_of_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cancelled_below(*_: object, **__: object) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    monkeypatch.setattr(SingleUseConnector, "_get", cancelled_below)
    outcome = await send("http://127.0.0.1:1")
    assert isinstance(outcome, NeverSent)


async def test_cancelling_the_task_cancels_the_request() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.reader.read()
        gone.set()

    async with raw_server(silent) as server, transport() as opened:
        task = asyncio.create_task(opened.send("POST", server.url, HEADERS, b"{}"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 2)


async def test_a_callers_shorter_timeout_stays_the_callers() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await asyncio.Event().wait()

    async with raw_server(silent) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await send(server.url, deadline_seconds=5)


async def test_an_exception_of_any_kind_below_becomes_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    async def explode(*_: object, **__: object) -> None:
        raise aiohttp.ClientPayloadError("boom")

    monkeypatch.setattr(aiohttp.ClientRequest, "send", explode)
    async with raw_server(answering(b"{}")) as server:
        outcome = await send(server.url)
    assert outcome == Broken(Fault.BAD_RESPONSE, "bad_response: ClientPayloadError")


async def test_closing_ends_the_requests_under_way_as_unknown() -> None:
    arrived = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.reader.read()

    async with raw_server(silent) as server, transport() as opened:
        under_way = asyncio.create_task(opened.send("POST", server.url, HEADERS, b"{}"))
        await arrived.wait()
        await opened.aclose()
        outcome = await asyncio.wait_for(under_way, 2)
    assert isinstance(outcome, Broken)
    assert outcome.fault is Fault.CONNECTION_LOST
