"""The run server, reached without a socket: its own operations behind the provider's transport."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from threadrun.testing import ManualClock, ServerOptions
from threadrun.testing.app import OPERATIONS
from threadrun.testing.dialect import Dialect
from threadrun.testing.exchange import ApiRequest
from threadrun.testing.gateway import Gateway
from threadrun.testing.world import World
from worker.transport.outcome import Answered

BASE_URL = "http://provider.test/v1"
HEADERS = {b"authorization": b"Bearer key", b"openai-beta": b"assistants=v2"}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))


_PATHS = [(path, _pattern(path), operations) for path, operations in OPERATIONS.items()]


def request_name(method: str, url: str) -> str:
    """Name a request by its method and the pattern of its path."""
    path = re.sub(r"^(/v1|/openai)?", "", urlsplit(url).path)
    return f"{method} {next(name for name, pattern, _ in _PATHS if pattern.fullmatch(path))}"


class ProviderServer:
    """Hold a run server's world; `send` is what a transport does."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.clock = ManualClock()
        self.world = World(
            options or ServerOptions(accept_any_assistant=True, think_seconds=1), self.clock, Dialect()
        )
        self._gateway = Gateway(self.world)

    async def send(self, method: str, url: str, headers: Any, body: bytes | None = None) -> Answered:
        return self.answer(method, url, body, {k.lower(): v for k, v in headers.raw})

    def answer(
        self, method: str, url: str, body: bytes | None = None, headers: dict[bytes, bytes] | None = None
    ) -> Answered:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1")
        match, operations = next(
            (match, operations) for _, pattern, operations in _PATHS if (match := pattern.fullmatch(path))
        )
        request = ApiRequest(
            method, parts.path, match.groupdict(), headers or HEADERS,
            parts.query.encode(), body or b"",
        )  # fmt: skip
        answer = self._gateway.answer(operations, request)
        names = {name.decode(): value.decode() for name, value in answer.headers}
        return Answered(answer.status, "OK", names, answer.body)

    async def aclose(self) -> None:
        return
