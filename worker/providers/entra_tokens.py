"""Microsoft Entra bearer tokens for one profile: fetched once for many runs, and renewed before they expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

REFRESH_BEFORE_SECONDS = 300.0
"""How long before its expiry a token is renewed; until then the old one goes on serving."""

RETRY_SECONDS = 30.0
"""How long after a failed renewal the next one is tried, while the old token still serves."""

SHORTEST_LIFE_SECONDS = 60.0
"""The life of a token that seems to have expired already: then this host's clock is wrong, not the token."""

log = structlog.get_logger("threadrun.provider")


class NoTokenError(Exception):
    """Report that no token can be had; the text names the cause's kind, never its content."""


class AccessToken(Protocol):
    """What azure-identity's credentials give (azure.core.credentials.AccessToken)."""

    @property
    def token(self) -> str:
        """The bearer token."""

    @property
    def expires_on(self) -> int:
        """When it expires, in seconds since 1970."""


class TokenCredential(Protocol):
    """One of azure-identity's asynchronous credentials."""

    async def get_token(self, *scopes: str) -> AccessToken:
        """Get a token, from wherever the credential gets it."""

    async def close(self) -> None:
        """Close its connections."""


@dataclass(frozen=True, slots=True)
class _Held:
    text: str
    refresh_at: float
    dies_at: float


class EntraTokens:
    """Hold the current token of one scope; used on the loop only."""

    def __init__(
        self,
        credential: TokenCredential,
        scope: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._scope = scope
        self._monotonic = monotonic
        self._wall = wall
        self._held: _Held | None = None
        self._fetching: asyncio.Task[_Held] | None = None

    async def bearer(self, within_seconds: float) -> str:
        """Give a token that has not expired; all who wait for one wait for the same.

        Raises:
            NoTokenError: None could be had in time.
        """
        held, now = self._held, self._monotonic()
        if held is None or now >= held.dies_at:
            return (await self._wait_for(self._fetch(), within_seconds)).text
        if now >= held.refresh_at:
            self._fetch()
        return held.text

    def refused(self, bearer: str) -> None:
        """Use a token no more that the provider does not take."""
        if self._held is not None and self._held.text == bearer:
            self._held = None

    async def close(self) -> None:
        """Close the credential's connections."""
        if self._fetching is not None:
            self._fetching.cancel()
        await self._credential.close()

    def _fetch(self) -> asyncio.Task[_Held]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._get())
            self._fetching.add_done_callback(self._got)
        return self._fetching

    async def _get(self) -> _Held:
        token = await self._credential.get_token(self._scope)
        # Only the length of its life is read off this host's clock; its end is counted by the monotonic one.
        life = max(token.expires_on - self._wall(), SHORTEST_LIFE_SECONDS)
        now = self._monotonic()
        return _Held(token.token, now + max(life - REFRESH_BEFORE_SECONDS, life / 2), now + life)

    def _got(self, fetching: asyncio.Task[_Held]) -> None:
        if fetching.cancelled():
            return
        error = fetching.exception()
        if error is None:
            self._held = fetching.result()
            return
        log.warning("token.not_renewed", error=type(error).__name__)
        if self._held is not None:
            later = self._monotonic() + RETRY_SECONDS
            self._held = _Held(self._held.text, later, self._held.dies_at)

    async def _wait_for(self, fetching: asyncio.Task[_Held], within_seconds: float) -> _Held:
        try:
            async with asyncio.timeout(within_seconds):
                return await asyncio.shield(fetching)  # one who gives up must not take it from the others
        except TimeoutError:
            raise NoTokenError(f"no answer within {within_seconds:g} s") from None
        except Exception as error:  # the seam: azure-identity and what is below it raise many kinds
            raise NoTokenError(type(error).__name__) from None


def default_credential() -> TokenCredential:
    """Build azure-identity's default: environment, workload and managed identity, and developers' logins.

    Raises:
        ImportError: azure-identity is not installed.
    """
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - an extra; only Entra profiles need it

    credential: Any = DefaultAzureCredential()
    found: TokenCredential = credential
    return found
