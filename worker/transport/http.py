"""Send one HTTP request within a total deadline, and say what became of it as a value."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache, lru_cache
from typing import cast

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

from worker.transport.body import DEFAULT_MAX_REPLY_BYTES, read_body
from worker.transport.connection import ATTEMPT, Attempt, open_session
from worker.transport.failure import outcome_of
from worker.transport.outcome import Answered, Outcome
from worker.transport.pool import PoolTransport, Prepared

CONNECT_SECONDS = 5.0
"""How long one address may take to connect, so that the next address of the host still gets its turn."""

KNOWN_URLS = 2048
"""How many parsed URLs are kept: a run is polled again and again."""

MAX_HEADER_BYTES = 64 * 1024
"""What all headers of an answer may hold together; real ones have about 2 KB."""

_CHUNK_BYTES = 64 * 1024
_STREAMED_FROM_BYTES = 1024 * 1024


class OversizedHeadersError(Exception):
    """Refuse an answer for its headers."""


class _Chunks(httpx.AsyncByteStream):
    """Hand a large body over in pieces; written whole it would hold the loop, and aiohttp warns of it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), _CHUNK_BYTES):
            yield self._body[start : start + _CHUNK_BYTES]


class HttpTransport:
    """Send requests over one pool of kept-alive connections; never retries, never follows a redirect.

    It speaks to httpx's transport seam directly: httpx's client above it adds a third to the CPU of a request
    for cookies, redirects and authentication flows that no request here wants. Needs no running loop to be
    made; from its first request on it belongs to the loop that sent it. Headers that are given again and again
    are to be the same object.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float,
        max_connections: int,
        max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._max_reply_bytes = max_reply_bytes
        timeout = aiohttp.ClientTimeout(sock_connect=min(CONNECT_SECONDS, deadline_seconds))
        self._known_headers: deque[tuple[httpx.Headers, CIMultiDict[str]]] = deque(maxlen=4)
        context = ssl_context or _default_ssl_context()
        self._below = PoolTransport(lambda: open_session(max_connections, context), context, timeout)

    async def send(
        self,
        method: str,
        url: str,
        headers: httpx.Headers,
        body: bytes | None = None,
        *,
        spent_seconds: float = 0.0,
    ) -> Outcome:
        """Send one request.

        The deadline covers all of it: what was spent on it before, waiting for a connection, connecting, writing,
        and the last byte of the body. Nothing that the network or the server does raises; cancelling the task does.

        Raises:
            asyncio.CancelledError: the calling task was cancelled; the request may have had its effect.
        """
        attempt = Attempt()
        token = ATTEMPT.set(attempt)
        scope = asyncio.timeout(self._deadline_seconds - spent_seconds)
        try:
            async with scope:
                response = await self._below.handle_async_request(self._request(method, url, headers, body))
                return await _read(response, attempt, self._max_reply_bytes)
        except asyncio.CancelledError as error:
            if _task_is_cancelled():
                raise
            return outcome_of(error, attempt, timed_out=False)
        except Exception as error:
            # The seam: whatever comes up from below ends here, as a value.
            return outcome_of(error, attempt, timed_out=scope.expired())
        finally:
            ATTEMPT.reset(token)

    async def aclose(self) -> None:
        """Close all connections; requests that are under way end as broken."""
        with suppress(Exception):
            await self._below.aclose()

    def _request(self, method: str, url: str, headers: httpx.Headers, body: bytes | None) -> httpx.Request:
        ready = self._ready_headers(headers)
        if body is None or len(body) <= _STREAMED_FROM_BYTES:
            return Prepared(_parsed(url), ready, body or None).request(method)
        sized = CIMultiDict(ready)
        sized["content-length"] = str(len(body))
        return Prepared(_parsed(url), sized, _Chunks(body)).request(method)

    def _ready_headers(self, headers: httpx.Headers) -> CIMultiDict[str]:
        for known, ready in self._known_headers:
            if known is headers:
                return ready
        ready = CIMultiDict(headers.multi_items())
        self._known_headers.append((headers, ready))
        return ready


@lru_cache(KNOWN_URLS)
def _parsed(url: str) -> URL:
    return URL(url, encoded=True)


@cache
def _default_ssl_context() -> ssl.SSLContext:
    # Loading the certificate authorities takes about 50 ms and 1 MB; all profiles share them.
    return httpx.create_ssl_context()


async def _read(response: httpx.Response, attempt: Attempt, max_bytes: int) -> Answered:
    stream = cast("httpx.AsyncByteStream", response.stream)
    try:
        head = Answered(response.status_code, response.reason_phrase, _headers(response), b"")
        attempt.head = head
        body = await read_body(stream, head.headers, max_bytes)
    except BaseException:
        # Read to its end, an answer has given its connection back by itself.
        with suppress(Exception):
            await stream.aclose()
        raise
    return Answered(head.status, head.reason, head.headers, body)


def _headers(response: httpx.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    size_bytes = 0
    for raw_name, raw_value in response.headers.raw:
        size_bytes += len(raw_name) + len(raw_value)
        if size_bytes > MAX_HEADER_BYTES:
            raise OversizedHeadersError
        # Latin-1 reads every byte; a header in another encoding is never a reason to fail.
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _task_is_cancelled() -> bool:
    # A future that aiohttp cancelled raises the same exception without anyone having cancelled this task.
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
