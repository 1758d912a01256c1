"""What an answer tells of its provider, and what becomes of an answer when it cannot be noted."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from threadrun.records import ProviderAnswer
from worker.backoff import scattered_ms
from worker.decide.rules import Rules
from worker.permits import Limits, NoPermit, Permits, verdict_of
from worker.providers.base import No, Refusal, Reply, Unknown, Yes
from worker.providers.retry_hints import MAX_HINT_SECONDS
from worker.providers.watched import WatchedProvider
from worker.store.gates import (
    LIFE_SECONDS,
    LONGEST_PAUSE_MS,
    LONGEST_WAIT_MS,
    Gate,
    Gates,
    Kind,
    Permit,
    Rate,
    SharedGates,
    Verdict,
)


def no(refusal: Refusal, status: int | None) -> No:
    return No(refusal, ProviderAnswer(status))


def unknown(reason: str, status: int | None = None) -> Unknown:
    return Unknown(reason, ProviderAnswer(status))


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Yes(1, ProviderAnswer(200)), Verdict.ANSWERED),
        (no(Refusal.INVALID, 400), Verdict.ANSWERED),
        (no(Refusal.UNAUTHORIZED, 401), Verdict.ANSWERED),
        (no(Refusal.NOT_FOUND, 404), Verdict.ANSWERED),
        (unknown("conflict", 409), Verdict.ANSWERED),
        (unknown("bad_body", 200), Verdict.ANSWERED),
        (no(Refusal.RATE_LIMITED, 429), Verdict.LIMITED),
        (unknown("server_error", 503), Verdict.FAILED),
        (no(Refusal.NEVER_SENT, None), Verdict.FAILED),
        (unknown("timeout"), Verdict.FAILED),
        (unknown("connection_lost"), Verdict.FAILED),
        (unknown("bad_response"), Verdict.FAILED),
        (no(Refusal.INVALID, None), None),
    ],
)
def test_an_answer_tells_of_its_provider(reply: Reply[Any], verdict: Verdict | None) -> None:
    assert verdict_of(reply) is verdict


class DeadGates:
    """Be a Redis that is gone."""

    def known(self, _profile: str) -> Gates:
        return Gates(failures=1)

    async def note(self, *_args: Any, **_options: Any) -> None:
        raise RedisConnectionError("gone")


class ClosingGates:
    """Grant a place, and close the gates while it is waited for."""

    def __init__(self) -> None:
        self.gates = Gates()

    def known(self, _profile: str) -> Gates:
        return self.gates

    async def permit(self, *_args: Any, **_options: Any) -> Permit:
        asyncio.get_running_loop().call_soon(self._close)
        return Permit(granted=True, wait_ms=5)

    def _close(self) -> None:
        self.gates = Gates(get=Gate(until_ms=10_000, pauses=1))


async def test_a_place_that_was_waited_for_is_worth_nothing_once_the_profile_is_paused() -> None:
    permits = Permits("default", cast(SharedGates, ClosingGates()), Limits(gets=Rate(10)))
    with pytest.raises(NoPermit) as refused:
        await permits.take(Kind.GET, 1_000, 500, "seed")

    assert refused.value.wait_ms >= 8_995


class Answering:
    capabilities = None

    async def get_run(self, _thread_id: str, _run_id: str) -> Reply[Any]:
        return Yes("the run", ProviderAnswer(200))


async def test_an_answer_that_redis_does_not_take_note_of_is_still_an_answer() -> None:
    permits = Permits("default", cast(SharedGates, DeadGates()), Limits())
    provider = WatchedProvider(cast(Any, Answering()), permits)

    assert await provider.get_run("thread", "run") == Yes("the run", ProviderAnswer(200))


@pytest.mark.parametrize("wait_ms", [1, 200, 5_000, 60_000])
def test_those_who_wait_for_the_same_are_scattered_and_none_comes_early(wait_ms: int) -> None:
    waits = [scattered_ms(wait_ms, f"run{number}") for number in range(200)]

    assert wait_ms <= min(waits)
    assert max(waits) <= wait_ms + min(max(wait_ms / 4, 100), 2_000)
    assert len(set(waits)) > 50


def test_no_pause_outlives_what_must_still_be_done_at_the_end_of_a_run() -> None:
    longest_ms = max(MAX_HINT_SECONDS * 1000, LONGEST_PAUSE_MS, LONGEST_WAIT_MS)

    assert 2 * longest_ms <= Rules().cancel_deadline_ms
    assert 2 * longest_ms <= Rules().finalize_deadline_ms
    assert longest_ms < LIFE_SECONDS * 1000


@pytest.mark.parametrize("kind", Kind)
def test_a_profile_nobody_has_spoken_of_is_open(kind: Kind) -> None:
    assert (Gates().wait_ms(kind, 1), Gates().calm(kind)) == (0, True)
