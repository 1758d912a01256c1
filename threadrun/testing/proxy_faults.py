"""What a `FaultProxy` can do to a connection, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Way(StrEnum):
    """Name the two directions of a connection."""

    REQUESTS = "requests"
    """From the client to the target."""
    ANSWERS = "answers"
    """From the target to the client."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Deliver every piece so much later, each way; throughput stays as it is."""

    seconds: float
    """How much later; a question and its answer take twice this."""


@dataclass(frozen=True, slots=True)
class ResetBefore:
    """Reset the connection (RST) as soon as the client sends; the target sees nothing of it."""


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Forward what the client sends, and reset the connection when the answer begins: the answer is lost."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """End the connection (FIN, both sides) after so many bytes of one way, counted from when this was set."""

    size_bytes: int
    """How many bytes still pass; 0: the next byte ends it."""
    way: Way = Way.ANSWERS
    """Which way is counted."""


@dataclass(frozen=True, slots=True)
class Drip:
    """Let one way pass slowly, byte by byte if need be."""

    bytes_per_second: float
    """How fast."""
    way: Way = Way.ANSWERS
    """Which way."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Hold everything back, both ways, as a stopped process does; what was held is delivered when this ends."""


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Accept, swallow and stay open. What was swallowed is gone: such a connection stays deaf to its end."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse new connections (ECONNREFUSED) and keep the port; connections that are open are left alone."""


ProxyFault: TypeAlias = Latency | ResetBefore | ResetAfter | CutAfter | Drip | Stall | BlackHole | Refuse


@dataclass(slots=True)
class ProxyCounts:
    """Count what a proxy saw and did since it was made."""

    accepted: int = 0
    """Connections of clients."""
    open: int = 0
    """Of these, those that have not ended."""
    unreachable: int = 0
    """Connections that were reset because the target could not be reached."""
    resets_before: int = 0
    """Connections reset before anything was forwarded (`ResetBefore`)."""
    answers_lost: int = 0
    """Connections reset when the answer began (`ResetAfter`)."""
    cut: int = 0
    """Connections ended after so many bytes (`CutAfter`)."""
    delayed: int = 0
    """Pieces that were held back (`Latency`, `Drip`, `Stall`)."""
    swallowed_bytes: int = 0
    """Bytes that went into a `BlackHole` or a half-open connection."""
    half_opened: int = 0
    """Connections whose target's side was taken away."""
    reset_on_demand: int = 0
    """Connections ended by `reset_connections`."""
    request_bytes: int = 0
    """Bytes forwarded to the target."""
    answer_bytes: int = 0
    """Bytes forwarded to clients."""
