"""What to do next with a run: the answer of `decide`, carried out by `reconcile`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from threadrun.models import Run
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from threadrun.tools import ToolResultKind
from worker.replace import replace
from worker.view import CallView, Effect, Progress


class Question(StrEnum):
    """Name what can be asked without changing anything at the provider."""

    RUN = "run"
    """Read the run."""
    SEARCH = "search"
    """Search the thread's runs for ours."""
    NEWEST = "newest"
    """Read which run of the thread is the newest, before ours is created where metadata does not come back."""
    STEPS = "steps"
    """Read the run's steps, to see whether the outputs arrived."""
    RECORD = "record"
    """Read what belongs to the final record."""


class ThreadMove(StrEnum):
    """Name what a write does with the run's thread."""

    KEEP = "keep"
    TAKE = "take"
    """The thread was created for this run, which now holds it."""
    FREE = "free"
    """The run has ended; the next one waiting gets the thread."""
    NONE = "none"
    """The same of a run that has no thread: if one became known meanwhile, the write comes too late."""


@dataclass(frozen=True, slots=True)
class Event:
    """Describe one transition; stored with the run and logged under the same name."""

    type: str
    """Dotted, past tense: `run.created`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Identifiers and numbers; never user content."""


@dataclass(frozen=True)
class NewCall:
    """Describe one row to open in the ledger."""

    index: int
    tool_call_id: str
    type: str
    tool: str
    arguments: str
    state: CallState
    output: str = ""
    """The error output of a call that cannot be run; settled at once."""
    kind: str = ""
    queue: str = "tools"
    timeout_seconds: float = 60.0
    idempotent: bool = False
    on_unknown: OnUnknown = OnUnknown.TELL


@dataclass(frozen=True)
class Changes:
    """Gather what one write changes."""

    progress: Progress
    facts: Mapping[str, str] = field(default_factory=dict)
    """Set-once fields, kept even if this decision comes too late."""
    fact_events: tuple[Event, ...] = ()
    run: Run | None = None
    """The last seen Run, to store."""
    answer: ProviderAnswer | None = None
    events: tuple[Event, ...] = ()
    thread: ThreadMove = ThreadMove.KEEP
    opened: tuple[NewCall, ...] = ()
    """The calls of a new round."""
    asked: Mapping[str, int] | None = None
    """How often the run has asked for each call, with those of a new round."""
    tools_until_ms: int | None = None
    """The latest deadline a handler of this round may have."""
    resumed: tuple[int, ...] = ()
    """Indexes of withdrawn calls that are asked for again."""
    sent: tuple[CallView, ...] = ()
    """Calls whose messages are (again) to be sent after the write."""
    submitted: tuple[int, ...] = ()
    """Indexes of the calls whose outputs the provider has."""
    watch_twins: bool = False
    """A create may have made, or may still make, a second run: have the thread watched for it."""
    withdraw: bool = False
    """Withdraw the round's unclaimed calls."""

    def adding(self, *events: Event) -> Changes:
        """Add events."""
        return replace(self, events=(*self.events, *events))


@dataclass(frozen=True, slots=True)
class Ask:
    """Read from the provider, then decide again."""

    question: Question


@dataclass(frozen=True)
class Post:
    """Store the changes with the intent, send the POST, then decide again."""

    effect: Effect
    changes: Changes
    learnt: Changes | None = None
    """What to store if the POST must wait for a permit; none: nothing was learnt before it."""


@dataclass(frozen=True)
class Move:
    """Write the changes and leave the run due in a stage after a delay."""

    stage: Stage
    delay_ms: int
    changes: Changes


@dataclass(frozen=True)
class Rest:
    """Write nothing; the run is due again after a delay."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """Answer a call in its handler's place."""

    call: CallView
    kind: ToolResultKind


@dataclass(frozen=True, slots=True)
class SettingAside:
    """Note that a call's outcome is unknown, without answering it: it is parked, or its run is to fail."""

    call: CallView
    kind: ToolResultKind


@dataclass(frozen=True, slots=True)
class Repair:
    """Settle, reopen or set aside calls, each only if it is still as seen; then look again at once."""

    settle: tuple[Settlement, ...] = ()
    reopen: tuple[CallView, ...] = ()
    aside: tuple[SettingAside, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """Write the final record."""

    outcome: Outcome
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """Send the caller's task; the final record is written."""


Conclusion: TypeAlias = Move | Rest | Repair | Finish | Tell
"""What ends an advance."""

Decision: TypeAlias = Ask | Post | Conclusion
