"""What the transport makes of answers that came, each over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import httpx
import pytest

from tests.unit.raw_server import Peer, Script, answering, raw_server
from worker.transport import Answered, Broken, Fault, HttpTransport
from worker.transport.body import BYTES_A_CONTAINER

HEADERS = httpx.Headers({"accept-encoding": "gzip, deflate", "user-agent": "tests"})
MAX_BYTES = 100_000


async def reply(script: Script, deadline_seconds: float = 5.0, method: str = "GET") -> Answered:
    opened = HttpTransport(deadline_seconds=deadline_seconds, max_connections=2, max_reply_bytes=MAX_BYTES)
    async with raw_server(script) as server:
        try:
            outcome = await opened.send(method, f"{server.url}/v1", HEADERS)
        finally:
            await opened.aclose()
        assert len(server.requests) == 1
    assert isinstance(outcome, Answered)
    return outcome


async def test_an_answer_keeps_status_reason_headers_and_body() -> None:
    answer = await reply(answering(b'{"id":1}', "201 Made It", "X-Request-Id: r1\r\nVary: a\r\nvary: b\r\n"))
    assert (answer.status, answer.reason, answer.body, answer.fault) == (201, "Made It", b'{"id":1}', None)
    assert answer.headers["x-request-id"] == "r1"
    assert answer.headers["vary"] == "a, b"


async def test_headers_that_are_too_large_together_are_no_answer() -> None:
    many = "".join(f"x-{n}: {'v' * 8_000}\r\n" for n in range(9))
    few = "".join(f"x-{n}: {'v' * 8_000}\r\n" for n in range(8))
    opened = HttpTransport(deadline_seconds=5, max_connections=1)
    outcomes = []
    for headers in (few, many, ""):
        async with raw_server(answering(b"{}", headers=headers)) as server:
            outcomes.append(await opened.send("GET", f"{server.url}/v1", HEADERS))
    await opened.aclose()

    assert [type(outcome) for outcome in outcomes] == [Answered, Broken, Answered]
    assert outcomes[1].fault is Fault.BAD_RESPONSE


@pytest.mark.parametrize("body", [b"", b"not json", b"<html><body>[[[</body></html>", b"\xff\xfe\x00"])
async def test_a_body_of_any_kind_arrives_as_it_is(body: bytes) -> None:
    assert (await reply(answering(body, "502 Bad Gateway"))).body == body


async def test_no_content_has_an_empty_body() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    answer = await reply(script)
    assert (answer.status, answer.body, answer.fault) == (204, b"", None)


async def test_a_redirect_is_told_not_followed() -> None:
    answer = await reply(
        answering(b"", "307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n"), method="POST"
    )
    assert answer.status == 307


async def test_an_interim_answer_is_passed_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await peer.answer(b"{}")

    assert (await reply(script)).status == 200


async def test_a_reason_of_raw_bytes_is_made_printable() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 \xff\x1b[31mfine\r\nx-odd: \xe9\r\ncontent-length: 2\r\n\r\n{}")

    answer = await reply(script)
    assert (answer.reason, answer.body, answer.headers["x-odd"]) == ("[31mfine", b"{}", "é")


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n{}")

    assert (await reply(script)).body == b"{}"


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ],
)
async def test_a_hang_up_in_mid_body_leaves_the_status_and_says_the_body_is_lost(sent: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)

    answer = await reply(script)
    assert (answer.status, answer.body, answer.fault) == (404, b"", Fault.CONNECTION_LOST)


async def test_a_body_that_drips_is_cut_off_at_the_deadline() -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            await peer.send(b" ")
            await asyncio.sleep(0.05)

    started = asyncio.get_running_loop().time()
    answer = await reply(drip, deadline_seconds=0.3)
    assert (answer.status, answer.fault) == (200, Fault.TIMEOUT)
    assert asyncio.get_running_loop().time() - started < 1.5


@pytest.mark.parametrize("length", ["content-length: 999999999999", "transfer-encoding: chunked"])
async def test_a_body_beyond_the_limit_is_not_read_to_its_end(length: str) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        while True:
            await peer.send((b"1000\r\n" if "chunked" in length else b"") + b"x" * 4096 + b"\r\n")

    answer = await reply(endless)
    assert (answer.status, answer.body, answer.fault) == (200, b"", Fault.TOO_LARGE)


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert len((await reply(answering(b"x" * MAX_BYTES))).body) == MAX_BYTES
    assert (await reply(answering(b"x" * (MAX_BYTES + 1)))).fault is Fault.TOO_LARGE


RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("GZIP", gzip.compress(b'{"a":1}', mtime=0)),
        ("x-gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("deflate", RAW_DEFLATE.compress(b'{"a":1}') + RAW_DEFLATE.flush()),
        ("identity", b'{"a":1}'),
    ],
)
async def test_an_encoded_body_is_decoded(coding: str, encoded: bytes) -> None:
    answer = await reply(answering(encoded, headers=f"content-encoding: {coding}\r\n"))
    assert (answer.body, answer.fault) == (b'{"a":1}', None)


async def test_an_encoded_body_is_decoded_across_its_pieces() -> None:
    text = b'{"text":"' + b"na " * 20_000 + b'"}'
    encoded = gzip.compress(text, mtime=0)

    async def byte_by_byte(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(encoded)}\r\n\r\n".encode()
        )
        for byte in encoded:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)

    assert (await reply(byte_by_byte)).body == text


async def test_a_gzip_bomb_is_never_inflated() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9, mtime=0)
    tracemalloc.start()
    try:
        answer = await reply(answering(bomb, headers="content-encoding: gzip\r\n"))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.body, answer.fault) == (b"", Fault.TOO_LARGE)
    assert peak_bytes < 10 * MAX_BYTES + len(bomb)


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)[:-9]),
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)[:-8] + bytes(8)),
        ("gzip", b"plain text"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"and more"),
        ("deflate", b"\0plain text"),
        ("br", b"anything"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
)
async def test_a_body_that_cannot_be_decoded_is_unreadable(coding: str, encoded: bytes) -> None:
    answer = await reply(answering(encoded, headers=f"content-encoding: {coding}\r\n"))
    assert (answer.body, answer.fault) == (b"", Fault.BAD_BODY)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
async def test_json_nested_too_deeply_is_not_handed_to_a_parser(opening: bytes) -> None:
    answer = await reply(answering(opening * 10_000))
    assert (answer.body, answer.fault) == (b"", Fault.BAD_BODY)


@pytest.mark.parametrize("start", [b"", b" " * 100, b"\xef\xbb\xbf"])
async def test_json_of_too_many_parts_is_not_handed_to_a_parser(start: bytes) -> None:
    most = MAX_BYTES // BYTES_A_CONTAINER
    pages = [start + b"[" + b",".join([b"{}"] * (parts - 1)) + b"]" for parts in (most, most + 1)]
    assert [(await reply(answering(page))).fault for page in pages] == [None, Fault.BAD_BODY]


@pytest.mark.parametrize(
    "body",
    [
        b'{"text":"' + b"[{" * 500 + b'"}',
        b'{"text":"\\"' + b"[{" * 500 + b'\\\\"}',
        b'{"text":"' + b"[]" * 40_000 + b'"}',
        b"[" + b",".join([b'{"a":[]}'] * 500) + b"]",
    ],
)
async def test_many_brackets_are_not_taken_for_depth(body: bytes) -> None:
    assert (await reply(answering(body))).fault is None


async def test_an_answer_leaves_the_connection_to_the_next_request() -> None:
    opened = HttpTransport(deadline_seconds=5, max_connections=2)
    async with raw_server(answering(b"{}", headers="set-cookie: a=b\r\n")) as server:
        for _ in range(3):
            await opened.send("POST", f"{server.url}/v1", HEADERS, b"{}")
        await opened.aclose()
        assert server.connections == 1
    assert all(b"cookie" not in request.lower() for request in server.requests)


@pytest.mark.parametrize("first", [b"x" * (MAX_BYTES + 1), b"x" * (MAX_BYTES * 40), b"[" * 1_000])
async def test_an_answer_that_is_not_taken_leaves_its_place_in_the_pool_to_the_next_request(
    first: bytes,
) -> None:
    opened = HttpTransport(deadline_seconds=2, max_connections=1, max_reply_bytes=MAX_BYTES)
    async with raw_server(answering(first)) as server, raw_server(answering(b"{}")) as other:
        refused = await opened.send("GET", server.url, HEADERS)
        taken = await opened.send("GET", other.url, HEADERS)
        await opened.aclose()
    assert isinstance(refused, Answered)
    assert isinstance(taken, Answered)
    assert (refused.body, taken.body) == (b"", b"{}")


async def test_no_more_connections_are_opened_than_allowed() -> None:
    opened = HttpTransport(deadline_seconds=5, max_connections=2)
    async with raw_server(answering(b"{}")) as server:
        await asyncio.gather(*(opened.send("GET", server.url, HEADERS) for _ in range(20)))
        await opened.aclose()
        assert (server.connections, len(server.requests)) == (2, 20)


async def test_a_large_request_arrives_whole_with_its_length() -> None:
    opened = HttpTransport(deadline_seconds=5, max_connections=2)
    body = bytes(range(256)) * 10_000
    async with raw_server(answering(b"{}")) as server:
        outcome = await opened.send("POST", server.url, HEADERS, body)
        await opened.aclose()
    assert isinstance(outcome, Answered)
    head, _, arrived = server.requests[0].partition(b"\r\n\r\n")
    assert arrived == body
    assert b"transfer-encoding" not in head.lower()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await reply(answering(b"{}"))).status == 200


def test_a_transport_is_made_without_a_running_loop() -> None:
    HttpTransport(deadline_seconds=5, max_connections=2)
