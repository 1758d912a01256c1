"""A breach of a guarantee, and the rules that find one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Rule(StrEnum):
    """Name what must hold; each names what is found where it does not."""

    RUN_MISSING = "run.missing"
    """Every accepted run has a record."""
    RUN_DAMAGED = "run.damaged"
    """Every record can be read."""
    RUN_NOT_ENDED_ONCE = "run.not_ended_once"
    """A finished run has one end, as its last event; an open run has none."""
    EVENT_GAP = "events.gap"
    """The `seq` of a run's events counts from 1 without gap or twin."""
    AGENDA_ASTRAY = "agenda.astray"
    """An open run has exactly one agenda entry, that of its stage; a finished run has none."""
    PROVIDER_TWIN = "provider.twin"
    """At most one provider run of a run key is left uncancelled."""
    PROVIDER_OTHER = "provider.other"
    """A record tells of a provider run that was made for its own run key."""
    CALL_ENTERED_TWICE = "call.entered_twice"
    """The handler of a call is entered once, unless the tool is idempotent."""
    CALL_UNRECORDED = "call.unrecorded"
    """Whenever a handler was entered, the record says so."""
    OUTCOME_HIDDEN = "call.outcome_hidden"
    """An outcome that nobody knows stands in the record as unknown; it is neither guessed nor left out."""
    THREAD_LOCKED = "thread.locked"
    """A finished run holds no thread, and waits for none."""
    INDEX_LEFTOVER = "index.leftover"
    """The indexes list a run under its present status alone."""
    INDEX_MISSING = "index.missing"
    """Every run is in the indexes."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Say where a rule does not hold."""

    rule: Rule
    """The rule."""
    run_key: str
    """The run."""
    message: str
    """What was found; identifiers and numbers only, never content."""
    detail: str = ""
    """What tells two breaches of one rule and run apart: a call, a provider run, an index."""

    @property
    def identity(self) -> tuple[Rule, str, str]:
        """Tell whether a second look saw the same breach."""
        return self.rule, self.run_key, self.detail


@dataclass(slots=True)
class Tally:
    """Count what was looked at."""

    runs: int = 0
    """Records."""
    finished: int = 0
    """Of these, those with a final record."""
    too_new: int = 0
    """Of these, those that a newer threadrun wrote; they are not judged."""
    events: int = 0
    calls: int = 0
    unknown_outcomes: int = 0
    """Calls whose outcome the record calls unknown."""
    provider_runs: int = 0
    """Runs that the provider made, by its log."""
    provider_runs_cancelled: int = 0
    """Of these, those for which it accepted a cancel."""
    handler_entries: int = 0
    """How often handlers were entered, by their log."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Hold the verdict."""

    breaches: tuple[Breach, ...]
    tally: Tally = field(default_factory=Tally)

    @property
    def ok(self) -> bool:
        """Tell whether every rule holds."""
        return not self.breaches
