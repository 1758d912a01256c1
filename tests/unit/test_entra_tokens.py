"""Entra tokens: fetched once for many runs, renewed before they expire, and never a reason to send without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.unit.raw_server import Peer, answering, raw_server
from worker.providers import AssistantsProvider, No, ProfileConnection, Refusal, Yes
from worker.providers.entra_tokens import EntraTokens, NoTokenError, default_credential

SCOPE = "https://ai.azure.com/.default"
HOUR = 3600


class Token:
    def __init__(self, token: str, expires_on: int) -> None:
        self.token, self.expires_on = token, expires_on


class Credential:
    """Stand in for azure-identity: counts, and answers when it is let."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.asked: list[str] = []
        self.let = asyncio.Event()
        self.let.set()
        self.fails: Exception | None = None
        self.closed = False

    async def get_token(self, *scopes: str) -> Token:
        self.asked += scopes
        await self.let.wait()
        if self.fails:
            raise self.fails
        return Token(f"token{len(self.asked)}", int(self.scene.wall + HOUR))

    async def close(self) -> None:
        self.closed = True


class Scene:
    """Tokens over a credential, and the clocks."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 100.0, 1_790_000_000.0
        self.credential = Credential(self)
        self.tokens = EntraTokens(
            self.credential, SCOPE, monotonic=lambda: self.monotonic, wall=lambda: self.wall
        )

    def turn(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


async def turn_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_runs_wait_for_one_token():
    scene = Scene()
    scene.credential.let.clear()
    waiting = [asyncio.create_task(scene.tokens.bearer(5)) for _ in range(20)]
    await turn_loop()
    scene.credential.let.set()

    assert set(await asyncio.gather(*waiting)) == {"token1"}
    assert await scene.tokens.bearer(5) == "token1"
    assert scene.credential.asked == [SCOPE]


async def test_a_token_is_renewed_before_it_expires_while_the_old_one_serves():
    scene = Scene()
    await scene.tokens.bearer(5)
    scene.turn(HOUR - 301)
    assert await scene.tokens.bearer(5) == "token1"
    assert len(scene.credential.asked) == 1
    scene.turn(2)
    scene.credential.let.clear()
    assert [await scene.tokens.bearer(5) for _ in range(3)] == ["token1"] * 3
    await turn_loop()
    scene.credential.let.set()
    await turn_loop()

    assert await scene.tokens.bearer(5) == "token2"
    assert len(scene.credential.asked) == 2


async def test_a_renewal_that_fails_is_tried_again_later_and_the_old_token_serves_to_its_end():
    scene = Scene()
    await scene.tokens.bearer(5)
    scene.turn(HOUR - 100)
    scene.credential.fails = ConnectionError("secret in here")
    with capture_logs() as logs:
        assert await scene.tokens.bearer(5) == "token1"
        await turn_loop()
    assert [(line["event"], line["error"]) for line in logs] == [("token.not_renewed", "ConnectionError")]

    assert await scene.tokens.bearer(5) == "token1"
    assert len(scene.credential.asked) == 2
    scene.turn(31)
    await scene.tokens.bearer(5)
    await turn_loop()
    assert len(scene.credential.asked) == 3
    scene.turn(70)
    with pytest.raises(NoTokenError, match=r"^ConnectionError$"):
        await scene.tokens.bearer(5)


async def test_a_token_that_does_not_come_is_not_waited_for_longer_than_told():
    scene = Scene()
    scene.credential.let.clear()
    with pytest.raises(NoTokenError, match=r"no answer within 0\.01 s"):
        await scene.tokens.bearer(0.01)
    scene.credential.let.set()

    assert await scene.tokens.bearer(5) == "token1"
    assert len(scene.credential.asked) == 1


async def test_a_host_whose_clock_is_an_hour_ahead_does_not_ask_for_a_token_each_time():
    scene = Scene()
    tokens = EntraTokens(
        scene.credential, SCOPE, monotonic=lambda: scene.monotonic, wall=lambda: scene.wall + 2 * HOUR
    )
    assert [await tokens.bearer(5) for _ in range(3)] == ["token1"] * 3


async def test_closing_closes_the_credential_and_what_is_under_way():
    scene = Scene()
    scene.credential.let.clear()
    waiting = asyncio.create_task(scene.tokens.bearer(5))
    await turn_loop()
    await scene.tokens.close()

    assert scene.credential.closed
    with pytest.raises(asyncio.CancelledError):
        await waiting


def provider_with(scene: Scene, url: str) -> AssistantsProvider:
    return AssistantsProvider(ProfileConnection("default", f"{url}/v1"), tokens=scene.tokens)


async def test_a_request_carries_the_token():
    scene = Scene()
    async with raw_server(answering(b'{"id":"r","status":"queued"}')) as server:
        provider = provider_with(scene, server.url)
        reply = await provider.get_run("t", "r")
        await provider.close()

    assert isinstance(reply, Yes)
    assert b"\r\nauthorization: bearer token1\r\n" in server.requests[0].lower()


async def test_a_token_that_the_provider_refuses_is_not_used_again_and_not_shown():
    scene = Scene()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if b"token1" in request:
            await peer.answer(b'{"error":{"message":"token1 is revoked"}}', "401 Unauthorized")
        else:
            await peer.answer(b'{"id":"r","status":"queued"}')

    async with raw_server(script) as server:
        provider = provider_with(scene, server.url)
        refused = await provider.get_run("t", "r")
        taken = await provider.get_run("t", "r")
        await provider.close()

    assert isinstance(refused, No)
    assert refused.refusal is Refusal.UNAUTHORIZED
    assert refused.answer.error_message == "*** is revoked"
    assert isinstance(taken, Yes)


async def test_without_a_token_nothing_is_sent_and_the_run_is_held():
    scene = Scene()
    scene.credential.fails = RuntimeError("tenant and secret")
    async with raw_server(answering(b"{}")) as server:
        provider = provider_with(scene, server.url)
        reply = await provider.cancel_run("t", "r")
        await provider.close()

    assert isinstance(reply, No)
    assert reply.refusal is Refusal.UNAUTHORIZED
    assert reply.answer.reason == "not sent, no Entra token: RuntimeError"
    assert server.requests == []


@asynccontextmanager
async def identity_endpoint(asked: list[Any]) -> AsyncIterator[str]:
    """Serve what an Azure App Service serves its apps: their managed identity's tokens."""

    async def token(request: web.Request) -> web.Response:
        asked.append((request.query["resource"], request.headers["x-identity-header"]))
        body = {
            "access_token": "from-azure",
            "expires_on": "4000000000",
            "resource": "r",
            "token_type": "Bearer",
        }
        return web.Response(text=json.dumps(body), content_type="application/json")

    app = web.Application()
    app.router.add_get("/token", token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    finally:
        await runner.cleanup()


async def test_azure_identity_itself_gives_a_managed_identitys_token(monkeypatch):
    asked: list[Any] = []
    async with identity_endpoint(asked) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "proof")
        tokens = EntraTokens(default_credential(), SCOPE)
        bearers = [await tokens.bearer(10) for _ in range(3)]
        await tokens.close()

    assert bearers == ["from-azure"] * 3
    assert asked == [("https://ai.azure.com", "proof")]
