"""The gates of a profile: when it may be asked, known to all workers at once through Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from threadrun.keys import Keys
from worker.redis_clock import JUMP_MS
from worker.store.scripts import Arg, Scripts

LIFE_SECONDS = 600
"""How long a profile's gates are remembered after the last word of them; longer than any pause."""

FIRST_PAUSE_MS = 1_000
"""How long the first pause is where the provider does not say; each further one is twice as long."""

LONGEST_PAUSE_MS = 30_000
"""The longest pause of our own choice."""

LONGEST_WAIT_MS = 60_000
"""For how long at most a request is sent away; a gate that seems closed for longer has outlived a clock set back."""

PROBE_LOOK_MS = 1_000
"""How soon to see what came of another one's probe."""


class Kind(StrEnum):
    """Name the two kinds of requests; providers count them apart, so each has its own rate and pauses."""

    GET = "GET"
    POST = "POST"


class Verdict(StrEnum):
    """Name what an answer says of the provider, whatever it says of the request."""

    ANSWERED = "answered"
    """It works."""
    LIMITED = "limited"
    """It works, and has had too many requests of this kind."""
    FAILED = "failed"
    """It does not work: 5xx, no connection, no answer in time."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Tell of one gate: it lets requests of one kind through, or of both."""

    until_ms: int = 0
    """Closed until then."""
    pauses: int = 0
    """Pauses in a row; 0: all is well."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Tell what was last heard of a profile's gates."""

    get: Gate = Gate()
    post: Gate = Gate()
    both: Gate = Gate()
    """Closed while the provider does not work."""
    probing: bool = False
    """One request is under way to see whether it works again."""
    failures: int = 0
    """Failures in a row."""
    told_ms: int = 0
    """When Redis said so."""

    def calm(self, kind: Kind) -> bool:
        """Tell whether a good answer to this kind of request would be no news."""
        return not (self.failures or self.both.pauses or self.of(kind).pauses)

    def of(self, kind: Kind) -> Gate:
        """Give the gate of one kind."""
        return self.get if kind is Kind.GET else self.post

    def wait_ms(self, kind: Kind, now_ms: int) -> int:
        """Say how long the gates stay closed for this kind; 0: they are open."""
        own, both = (left if left <= LONGEST_WAIT_MS else 0 for left in self._left_ms(kind, now_ms))
        # The probe's answer may come at once; its whole life is only waited for when its worker has died.
        both = min(both, PROBE_LOOK_MS) if self.probing else both
        return max(0, own, both)

    def _left_ms(self, kind: Kind, now_ms: int) -> tuple[int, int]:
        return self.of(kind).until_ms - now_ms, self.both.until_ms - now_ms


_OPEN = Gates()

GATE_FIELDS = (
    "GET_until", "GET_pauses", "POST_until", "POST_pauses", "both_until", "both_pauses", "probe", "failures",
)  # fmt: skip
"""What every script tells of a profile's gates, in the order of `gates_of`."""


def gates_of(row: Sequence[str | None], now_ms: int) -> Gates:
    """Type what a script told."""
    if not any(row):
        return Gates(told_ms=now_ms)
    raw = dict(zip(GATE_FIELDS, row, strict=True))

    def gate(name: str) -> Gate:
        return Gate(int(raw[f"{name}_until"] or 0), int(raw[f"{name}_pauses"] or 0))

    failures = int(raw["failures"] or 0)
    return Gates(gate("GET"), gate("POST"), gate("both"), bool(raw["probe"]), failures, now_ms)


@dataclass(frozen=True, slots=True)
class Rate:
    """Say how many requests of a kind may be sent."""

    per_second: float | None = None
    """None: as many as there are."""
    burst: int = 1
    """How many may go at once after a lull."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Answer one request for a permit."""

    granted: bool
    wait_ms: int
    """Granted: how long until it may be sent; refused: how long to stay away."""


@dataclass(frozen=True, slots=True)
class GateChange:
    """Tell that a gate was closed or opened by an answer; only one worker is told."""

    gate: str
    """`GET`, `POST` or `both`."""
    paused: bool
    """False: it goes on."""
    pause_ms: int


class SharedGates:
    """Ask and tell Redis of gates, and keep what it last said of each profile; used on the loop only."""

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts
        self._known: dict[str, Gates] = {}

    def known(self, profile: str) -> Gates:
        """Give what was last heard; no round trip."""
        return self._known.get(profile, _OPEN)

    def hear(self, profile: str, now_ms: int, row: Sequence[str | None]) -> None:
        """Take in what a script told beside its own answer, unless something newer is known."""
        told_ms = self.known(profile).told_ms
        if (
            now_ms >= told_ms or told_ms - now_ms > JUMP_MS
        ):  # the latter: it was told while the clock was wrong
            self._known[profile] = gates_of(row, now_ms)

    async def permit(
        self, profile: str, kind: Kind, rate: Rate, *, patience_ms: int, probe_ms: int, token: str
    ) -> Permit:
        """Ask for one request; while the provider does not work, only one at a time is let through."""
        interval_ms = 1000 / rate.per_second if rate.per_second else 0
        args: list[Arg] = [
            kind.value, interval_ms, rate.burst, patience_ms, probe_ms, token, LONGEST_WAIT_MS, LIFE_SECONDS,
            *GATE_FIELDS,
        ]  # fmt: skip
        go, wait, now_ms, row = await self._scripts.call("permit", [self._keys.permits(profile)], args)
        self.hear(profile, int(now_ms), row)
        return Permit(bool(int(go)), int(wait))

    async def note(
        self,
        profile: str,
        kind: Kind,
        verdict: Verdict,
        *,
        took_ms: int,
        wish_ms: int,
        most_failures: int,
        token: str,
    ) -> tuple[GateChange, ...]:
        """Tell how a request was answered; gives what that changed."""
        args: list[Arg] = [
            kind.value, verdict.value, took_ms, wish_ms, most_failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, token,
            LIFE_SECONDS, *GATE_FIELDS,
        ]  # fmt: skip
        now_ms, row, *changes = await self._scripts.call("note", [self._keys.permits(profile)], args)
        self.hear(profile, int(now_ms), row)
        return tuple(GateChange(gate, what == "paused", int(ms)) for gate, what, ms in changes)
