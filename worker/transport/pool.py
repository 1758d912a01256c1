"""httpx's transport seam over aiohttp's pool, without what no request here wants.

httpx-aiohttp translates every header, address and timeout anew for each request; a poll is the same request again and
again, so here that is done once, and an answer costs half.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from multidict import CIMultiDict
from yarl import URL

CHUNK_BYTES = 16 * 1024
"""How much of a body is read at once."""

PREPARED = "threadrun.prepared"
"""The extension of a request under which it carries what is `Prepared`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold a request's parts as aiohttp takes them."""

    url: URL
    headers: CIMultiDict[str]


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        while chunk := await content.read(CHUNK_BYTES):
            yield chunk

    async def aclose(self) -> None:
        # A connection whose answer was not read to its end is not used again.
        self._response.release()


class PoolTransport(AiohttpTransport):
    """Send prepared requests; their failures come up as aiohttp's own errors."""

    def __init__(
        self,
        open_session: Callable[[], aiohttp.ClientSession],
        ssl_context: ssl.SSLContext,
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        super().__init__(verify=ssl_context, client=open_session)
        self._timeout = timeout

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read the head of its answer."""
        prepared: Prepared = request.extensions[PREPARED]
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        response = await self.client.request(
            request.method,
            prepared.url,
            headers=prepared.headers,
            data=_data(request),
            allow_redirects=False,
            auto_decompress=False,
            timeout=self._timeout,
        )
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions={"reason_phrase": (response.reason or "").encode()},
        )


def _data(request: httpx.Request) -> bytes | httpx.AsyncByteStream | None:
    try:
        return request.content or None
    except httpx.RequestNotRead:
        return request.stream  # type: ignore[return-value]  # this transport is only given asynchronous ones
