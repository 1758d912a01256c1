"""What the run server keeps: assistants, threads, messages, runs and run steps.

Times are unix seconds of the server's clock, with their fractions; the wire shows whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from threadrun.status import RunStatus
from threadrun.testing.script import Call, Script

JsonObject = dict[str, Any]

NEVER = float("inf")
"""A time that does not come."""


@dataclass(slots=True)
class Assistant:
    """Keep an assistant: what a run takes from it where the run's request says nothing."""

    id: str
    created_at: float
    settings: JsonObject
    """The body of its creation, with defaults filled in."""
    metadata: dict[str, str]


@dataclass(slots=True)
class Message:
    """Keep one message of a thread."""

    id: str
    thread_id: str
    created_at: float
    role: str
    content: list[JsonObject]
    """Parts as the wire gives them back."""
    attachments: list[JsonObject] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    assistant_id: str | None = None
    run_id: str | None = None
    """The run that wrote it; none: a client did."""

    @property
    def text(self) -> str:
        """Its text parts, joined by newlines."""
        return "\n".join(part["text"]["value"] for part in self.content if part.get("type") == "text")


@dataclass(slots=True)
class Step:
    """Keep one run step: a message written, or tools asked for."""

    id: str
    created_at: float
    prompt_tokens: int
    completion_tokens: int
    message_id: str | None = None
    """Set on a `message_creation` step."""
    call: Call | None = None
    """Set on a `tool_calls` step."""
    call_ids: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """Empty until they are submitted."""
    status: RunStatus = RunStatus.IN_PROGRESS
    ended_at: float | None = None


@dataclass(slots=True, eq=False)
class Run:
    """Keep a run: its request, its script and how far it has come."""

    id: str
    thread: Thread = field(repr=False)
    assistant_id: str
    settings: JsonObject
    """What the wire echoes of its creation: model, instructions, tools and the rest."""
    metadata: dict[str, str]
    script: Script
    created_at: float
    expires_at: float
    queue_seconds: float
    think_seconds: float
    cancel_seconds: float
    prompt_characters: int
    """How much text the model reads; grows with each step."""
    status: RunStatus = RunStatus.QUEUED
    waits_in_queue: bool = True
    """The model has not picked it up; not told by the status, since a queued run can be cancelled."""
    outruns_cancel: bool = False
    """A cancel came, but too late: the model goes on."""
    position: int = 0
    """Which move of the script comes next."""
    due: float = NEVER
    """When the run changes by itself next."""
    started_at: float | None = None
    ended_at: float | None = None
    end_code: str | None = None
    end_message: str = ""
    steps: list[Step] = field(default_factory=list)
    last_outputs: tuple[str, ...] = ()
    transitions: list[tuple[float, RunStatus]] = field(default_factory=list)
    """Every status and when it came; what a poll can only sample."""
    revision: int = 0
    """Grows with every change."""
    rendered: tuple[int, bytes] = (-1, b"")
    """The revision that was rendered last, and its bytes: polls mostly see nothing new."""


@dataclass(slots=True, eq=False)
class Thread:
    """Keep a thread with its messages and runs, oldest first."""

    id: str
    created_at: float
    touched_at: float
    """When a client last changed something on it."""
    metadata: dict[str, str]
    tool_resources: JsonObject = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    live: list[Run] = field(default_factory=list)
    """Its runs that had not ended when it was last looked at."""

    @property
    def quiet_since(self) -> float:
        """When something last happened on it; never, while a run is under way."""
        ends = [NEVER if run.ended_at is None else run.ended_at for run in self.runs.values()]
        return max(self.touched_at, *ends) if ends else self.touched_at
