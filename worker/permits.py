"""Permits for the requests of one profile: each advance asks for one before it sends.

While nothing is wrong and no rate is set, a permit costs nothing: every claim brings along what Redis knows of the
profile's gates. Whatever a provider answers is noted here too, so that one worker's 429 pauses all of them.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import RedisError

from worker.backoff import scattered_ms
from worker.providers.base import No, Refusal, Reply, Unknown
from worker.store.gates import GateChange, Kind, Rate, SharedGates, Verdict

log = structlog.get_logger("threadrun.permits")

_BROKEN = frozenset({"timeout", "connection_lost", "bad_response", "server_error"})
"""Reasons of an unknown outcome that tell against the provider, not against the request."""


class NoPermit(Exception):
    """Say that a request must wait for longer than its advance can: the run rests."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(f"no permit for {wait_ms} ms")
        self.wait_ms = wait_ms


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what a profile's settings say of its requests."""

    gets: Rate = field(default_factory=Rate)
    posts: Rate = field(default_factory=Rate)
    breaker_failures: int = 10
    """So many failures in a row pause the profile."""
    probe_ms: int = 15_000
    """How long a request may take, and so how long the others wait for a probe whose worker has died."""

    def of(self, kind: Kind) -> Rate:
        """Give the rate of one kind."""
        return self.gets if kind is Kind.GET else self.posts


class Permits:
    """Give permits for one profile, and note how its provider answers."""

    def __init__(self, profile: str, gates: SharedGates, limits: Limits) -> None:
        self._profile = profile
        self._gates = gates
        self._limits = limits

    async def take(self, kind: Kind, now_ms: int, patience_ms: int, seed: str) -> None:
        """Wait for a permit, if it comes soon enough.

        Args:
            kind: What is to be sent.
            now_ms: Redis's clock.
            patience_ms: How long to wait for a place where a rate is set; a pause is not waited for.
            seed: Differs for each run and look; scatters those that are sent away.

        Raises:
            NoPermit: The profile is paused, or there is no place for that long.
            redis.exceptions.RedisError: Redis does not answer, and had to be asked.
        """
        if wait_ms := await self._taken(kind, now_ms, patience_ms):
            raise NoPermit(scattered_ms(wait_ms, seed))

    async def _taken(self, kind: Kind, now_ms: int, patience_ms: int) -> int:
        known, rate = self._gates.known(self._profile), self._limits.of(kind)
        closed_ms = known.wait_ms(kind, now_ms)
        if closed_ms or (rate.per_second is None and not known.both.pauses):
            return closed_ms
        permit = await self._gates.permit(
            self._profile,
            kind,
            rate,
            patience_ms=patience_ms,
            probe_ms=self._limits.probe_ms,
            token=uuid.uuid4().hex,
        )
        if not permit.granted:
            return permit.wait_ms
        if not permit.wait_ms:
            return 0
        await asyncio.sleep(permit.wait_ms / 1000)
        # Somebody may have been refused meanwhile.
        return self._gates.known(self._profile).wait_ms(kind, now_ms + permit.wait_ms)

    async def note(self, kind: Kind, reply: Reply[Any], took_seconds: float) -> None:
        """Tell all workers what an answer says of the provider, if it is news."""
        verdict = verdict_of(reply)
        calm = self._gates.known(self._profile).calm(kind)
        if verdict is None or (verdict is Verdict.ANSWERED and calm):
            return
        wish = 0.0 if verdict is Verdict.ANSWERED else getattr(reply, "retry_after_seconds", None) or 0.0
        try:
            changes = await self._gates.note(
                self._profile,
                kind,
                verdict,
                took_ms=round(took_seconds * 1000),
                wish_ms=round(wish * 1000),
                most_failures=self._limits.breaker_failures,
                token=uuid.uuid4().hex,
            )
        except (RedisError, OSError):
            return  # the answer itself matters more; the write that follows will meet the same Redis
        for change in changes:
            self._log(change)

    def _log(self, change: GateChange) -> None:
        if not change.paused:
            log.info("profile.resumed", profile=self._profile, kind=change.gate)
            return
        reason = "unavailable" if change.gate == "both" else "rate_limited"
        seconds = round(change.pause_ms / 1000, 3)
        log.warning("profile.paused", profile=self._profile, kind=change.gate, reason=reason, seconds=seconds)


def verdict_of(reply: Reply[Any]) -> Verdict | None:
    """Say what an answer tells of its provider; None: it tells nothing, for nothing was sent or tried."""
    match reply:
        case No(refusal=Refusal.RATE_LIMITED):
            return Verdict.LIMITED
        case No(refusal=Refusal.NEVER_SENT):
            return Verdict.FAILED
        case No(answer=answer) if answer.http_status is None:
            return None
        case Unknown(reason=reason) if reason in _BROKEN:
            return Verdict.FAILED
        case _:
            return Verdict.ANSWERED
