"""How long to wait: between polls of a healthy run, and after errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from zlib import crc32


def spread(seed: str, share: float) -> float:
    """Give a factor in [1 - share, 1 + share) that is the same for the same seed.

    Deterministic, so that deciding stays pure; different for each run and look, so that runs enqueued
    together do not poll together.
    """
    unit = crc32(seed.encode()) / 2**32
    return 1 - share + 2 * share * unit


class PollPolicy(Protocol):
    """Choose when to look at a healthy run again.

    Another policy is a class beside these, with its name in `PollSettings.policy` and its case in
    `worker.profiles.poll_policy`; what it has learnt comes in through its constructor.
    """

    def delay_ms(self, age_ms: int, seed: str) -> int:
        """Say how long to wait.

        Args:
            age_ms: How long the run has been in its present spell of work, in milliseconds.
            seed: Differs for each run and look; for jitter.
        """


@dataclass(frozen=True, slots=True)
class Gentle:
    """Let a spell of work begin, then wait a share of its age: the delay stays a small share of its length."""

    first_ms: int = 1_200
    """Hardly any spell is over before the first look; one that comes too early is spent on nothing."""
    shortest_ms: int = 700
    """Of the waits after it; no longer than the first."""
    share: float = 0.1
    cap_ms: int = 5_000
    jitter: float = 0.1

    def delay_ms(self, age_ms: int, seed: str) -> int:
        """See PollPolicy."""
        shortest_ms = min(self.shortest_ms, self.first_ms)
        wanted = min(max(shortest_ms, self.first_ms - age_ms, age_ms * self.share), self.cap_ms)
        return max(1, round(wanted * spread(seed, self.jitter)))


@dataclass(frozen=True, slots=True)
class Fixed:
    """Wait the same time always."""

    interval_ms: int = 1_000
    jitter: float = 0.1

    def delay_ms(self, age_ms: int, seed: str) -> int:
        """See PollPolicy."""
        return max(1, round(self.interval_ms * spread(seed, self.jitter)))


def scattered_ms(wait_ms: int, seed: str) -> int:
    """Add up to a quarter to a wait that many share, 0.1 s to 2 s, so that they do not all come back at once."""
    most = min(max(wait_ms / 4, 100), 2_000)
    return wait_ms + round(most * (spread(seed, 0.5) - 0.5))


def error_delay_ms(errors: int, floor_seconds: float | None, seed: str, cap_ms: int = 30_000) -> int:
    """Wait 0.5, 1, 2, 4 … s after the first, second … error in a row, never less than the provider asked for."""
    grown = min(500 << min(max(errors - 1, 0), 10), cap_ms)
    return max(round(grown * spread(seed, 0.2)), round((floor_seconds or 0) * 1000))
