"""aiohttp below httpx: pooled connections that tell for certain whether a request can have been sent."""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from worker.transport.outcome import Answered

KEEP_ALIVE_SECONDS = 4.0
"""An idle connection is dropped before the server drops it (uvicorn does after 5 s), so that a POST does
not go into a connection that is just being closed."""


@dataclass(slots=True)
class Attempt:
    """Follow one request through the pool."""

    connected: bool = False
    """A connection was handed over; from here on the server may have seen the request."""
    head: Answered | None = None
    """The answer as far as its status line and headers, once they arrived."""


ATTEMPT: ContextVar[Attempt] = ContextVar("threadrun_http_attempt")
"""The attempt of the request that the current task sends; the layer between offers no other way through."""


class SingleUseConnector(aiohttp.TCPConnector):
    """Give each request one connection, never a second one, and note that it got it.

    Connecting, TLS and waiting for the pool all lie before the note; writing lies after it. aiohttp sends a
    GET again by itself when the server hangs up: that second connection is refused here.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        """Get a connection from the pool, or make one."""
        attempt = ATTEMPT.get()
        if attempt.connected:
            raise aiohttp.ClientConnectionError("a request is sent once")
        connection = await super().connect(req, traces, timeout)
        attempt.connected = True
        return connection


def open_session(max_connections: int, ssl_context: ssl.SSLContext) -> aiohttp.ClientSession:
    """Open a session on the running loop; it keeps no cookies and reads neither proxies nor netrc.

    aiohttp bounds what it holds before a body: 128 headers, 8,190 bytes each, and as much for the status line.
    """
    connector = SingleUseConnector(
        limit=max_connections, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=ssl_context
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
