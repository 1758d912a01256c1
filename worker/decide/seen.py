"""What was just observed of a run: the second input of `decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from threadrun.models import Run, RunStep
from threadrun.status import OnUnknown
from worker.providers.base import Reply


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """Hold what the catalogue says of a served tool."""

    queue: str
    timeout_seconds: float
    idempotent: bool
    on_unknown: OnUnknown = OnUnknown.TELL


Policies: TypeAlias = tuple[Mapping[str, str], ...]
"""Who approves MCP tools: the run's own policy, if it has one, before the profile's."""


@dataclass(frozen=True, slots=True)
class Look:
    """Nothing was observed yet: the run was claimed because it is due."""


@dataclass(frozen=True, slots=True)
class ThreadAnswered:
    """The provider answered to the creation of a thread."""

    reply: Reply[str]


@dataclass(frozen=True, slots=True)
class CreateAnswered:
    """The provider answered to the creation of the run."""

    reply: Reply[Run]


@dataclass(frozen=True, slots=True)
class RunSeen:
    """The provider answered to a read of the run."""

    reply: Reply[Run]
    tools: Mapping[str, ToolSpec] | None = None
    """The tools served at that moment; none: the catalogue was not read, so no round may be opened by this look."""
    asked: Mapping[str, int] = field(default_factory=dict)
    """How often the run has asked for each call in its rounds so far (worker.decide.repeats)."""
    policies: Policies = ()
    """Read where the run wants approvals."""


@dataclass(frozen=True, slots=True)
class RunsSearched:
    """The thread's runs were searched for ours."""

    reply: Reply[tuple[Run, ...]]
    """Our run's candidates: exactly one, none, or several that cannot be told apart."""


@dataclass(frozen=True, slots=True)
class NewestSeen:
    """The provider answered which run of the thread is the newest."""

    reply: Reply[str]
    """Its id; empty: the thread has none."""


@dataclass(frozen=True, slots=True)
class StepsSeen:
    """The provider answered to a read of the run's steps."""

    reply: Reply[tuple[RunStep, ...]]


@dataclass(frozen=True, slots=True)
class OutputsAnswered:
    """The provider answered to the submission of tool outputs."""

    reply: Reply[Run]


@dataclass(frozen=True, slots=True)
class CancelAnswered:
    """The provider answered to a cancel."""

    reply: Reply[Run]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What belongs to the final record was read as far as it could be."""

    missing: tuple[str, ...]
    """What could not be read: `run`, `steps`, `messages`."""
    run_usage: bool
    """The run itself shows its usage."""
    any_usage: bool
    """The run or its steps do."""
    refused: bool = False
    """Reading again will not help: the provider no longer knows the run."""
    held_ms: int = 0
    """What is missing was not asked for: there is no permit for so long."""


Seen: TypeAlias = (
    Look
    | ThreadAnswered
    | CreateAnswered
    | RunSeen
    | RunsSearched
    | NewestSeen
    | StepsSeen
    | OutputsAnswered
    | CancelAnswered
    | Gathered
)
