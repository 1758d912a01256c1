"""What Redis keeps of one run, seen at one moment: the evidence that the rules judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from threadrun.status import CallState, Stage


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """Keep of an event what the rules ask for."""

    seq: int
    type: str


@dataclass(frozen=True, slots=True)
class KeptCall:
    """Keep of a tool call what the rules ask for; neither arguments nor output."""

    round: int
    index: int
    tool: str
    state: str
    """A `CallState`, or what a newer threadrun calls it."""
    kind: str
    """How its outcome is called; empty: it has none yet."""
    attempts: int
    """How often a handler was let in."""
    has_output: bool
    """There is an output for the model."""
    releases: int = 0
    """How often a person, seeing that nobody knew how it ended, had it run again."""

    @property
    def place(self) -> str:
        """Name the call within its run."""
        return f"{self.round}:{self.index}"

    @property
    def is_unknown(self) -> bool:
        """Tell whether its outcome is recorded as unknown."""
        return self.kind == UNKNOWN_OUTCOME

    @property
    def is_open(self) -> bool:
        """Tell whether a handler was let in and nobody has said what became of it."""
        return self.state == CallState.CLAIMED


UNKNOWN_OUTCOME = "unknown_outcome"
"""What a record calls the outcome of a call whose worker died inside the handler."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Show a run as it was kept at one moment."""

    key: str
    """The run key."""
    stage: str
    status: str
    """The provider's last status; empty before the first."""
    outcome: str
    run_id: str
    """The provider's id; empty before creation."""
    events: tuple[KeptEvent, ...]
    calls: tuple[KeptCall, ...]
    agendas: tuple[str, ...]
    """The stages in whose agenda it stands."""
    labels: tuple[str, ...]
    """The status indexes in which it stands."""
    in_index: bool
    """It stands in the index of all runs."""
    holds_thread: bool
    """It is the active run of its thread."""
    waits_for_thread: bool
    """It stands in the queue of its thread."""
    tells: bool
    """Its caller is to be told when it is finished."""

    @property
    def finished(self) -> bool:
        """Tell whether its record is final."""
        return self.stage == Stage.DONE

    @property
    def label(self) -> str:
        """Name the one status index in which it belongs."""
        return self.outcome or self.status or "none"


def kept_calls(rows: Mapping[str, str]) -> tuple[KeptCall, ...]:
    """Read the ledger's rows, in order of round and index."""
    grouped: dict[tuple[int, int], dict[str, str]] = {}
    for name, value in rows.items():
        round_, index, *rest = name.split(":", 2)
        if rest:
            grouped.setdefault((int(round_), int(index)), {})[rest[0]] = value
    return tuple(_call(*at, row) for at, row in sorted(grouped.items()))


def _call(round_: int, index: int, row: Mapping[str, str]) -> KeptCall:
    get = row.get
    return KeptCall(
        round=round_,
        index=index,
        tool=get("tool", ""),
        state=get("state", ""),
        kind=get("kind", ""),
        attempts=int(get("attempts") or 0),
        has_output=bool(get("output")),
        releases=int(get("releases") or 0),
    )


def named(names: Sequence[str], found: Sequence[object]) -> tuple[str, ...]:
    """Keep the names for which something was found."""
    return tuple(name for name, one in zip(names, found, strict=True) if one is not None)
