"""httpx's transport seam over aiohttp's pool, without what no request here wants.

httpx-aiohttp translates every header, address and timeout anew for each request, and httpx parses an address in 40 us.
A request here carries its parts as aiohttp takes them, and an answer costs half.
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

PREPARED = "threadrun.prepared"
"""The extension of a request under which it carries what is `Prepared`."""

MAX_REASON_CHARACTERS = 200
"""Longer reason phrases are cut."""

_NOWHERE, _NOTHING = httpx.URL(), httpx.ByteStream(b"")


@dataclass(slots=True)
class Prepared:
    """Hold a request's parts as aiohttp takes them."""

    url: URL
    headers: CIMultiDict[str]
    body: bytes | httpx.AsyncByteStream | None

    def request(self, method: str) -> httpx.Request:
        """Wrap it for the seam; what httpx itself would say of address, headers and body stays empty."""
        return httpx.Request(method, _NOWHERE, stream=_NOTHING, extensions={PREPARED: self})


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

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
            data=prepared.body,
            allow_redirects=False,
            auto_decompress=False,
            timeout=self._timeout,
        )
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions={"reason_phrase": _printable(response.reason or "").encode()},
        )


def _printable(reason: str) -> str:
    """Leave out what httpx fails on, such as raw bytes."""
    if not (reason.isascii() and reason.isprintable()):
        reason = "".join(letter for letter in reason if " " <= letter <= "~")
    return reason[:MAX_REASON_CHARACTERS]
