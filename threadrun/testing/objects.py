"""What the run server keeps: assistants, threads, messages, runs and run steps.

Times are unix seconds of the server's clock, with their fractions; the wire shows whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from threadrun.status import RunStatus
from threadrun.testing.script import Call, Script, ToolRequest

JsonObject = dict[str, Any]

NEVER = float("inf")
"""A time that does not come."""


@dataclass(slots=True)
class Assistant:
    """Keep an assistant: what a run takes from it where the run's request says nothing."""

    id: str
    """`asst_…`, or whatever a client calls it where any assistant is accepted."""
    created_at: float
    """When it was created."""
    settings: JsonObject
    """The body of its creation, with defaults filled in."""
    metadata: dict[str, str]
    """Its metadata."""


@dataclass(slots=True)
class Message:
    """Keep one message of a thread."""

    id: str
    """`msg_…`."""
    thread_id: str
    """Its thread."""
    created_at: float
    """When it was written."""
    role: str
    """`user` or `assistant`."""
    content: list[JsonObject]
    """Parts as the wire gives them back."""
    attachments: list[JsonObject] = field(default_factory=list)
    """As they were sent; the model does not read them."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Its metadata."""
    assistant_id: str | None = None
    """The assistant that wrote it; none: a client did."""
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
    """`step_…`."""
    created_at: float
    """When it began."""
    prompt_tokens: int
    """How much the model had read."""
    completion_tokens: int
    """How much it wrote."""
    message_id: str | None = None
    """Set on a `message_creation` step."""
    call: Call | None = None
    """Set on a `tool_calls` step."""
    call_ids: tuple[str, ...] = ()
    """The ids of its tool calls, in their order."""
    outputs: tuple[str | None, ...] = ()
    """Empty until they are submitted; None where a server that takes some waits for the others."""
    status: RunStatus = RunStatus.IN_PROGRESS
    """in_progress, completed, cancelled or expired."""
    ended_at: float | None = None
    """When it left in_progress."""

    @property
    def requests(self) -> tuple[ToolRequest, ...]:
        """The tools that it asked for."""
        return self.call.tools if self.call else ()

    @property
    def served_now(self) -> bool:
        """Whether the provider is running its tools itself."""
        return self.call is not None and self.call.served and self.status is RunStatus.IN_PROGRESS


@dataclass(slots=True, eq=False)
class Run:
    """Keep a run: its request, its script and how far it has come."""

    id: str
    """`run_…`."""
    thread: Thread = field(repr=False)
    """Its thread."""
    assistant_id: str
    """Its assistant."""
    settings: JsonObject
    """What the wire echoes of its creation: model, instructions, tools and the rest."""
    metadata: dict[str, str]
    """Its metadata."""
    script: Script
    """What the model does with it."""
    created_at: float
    """When it was created."""
    expires_at: float
    """When it expires unless it has ended."""
    approval_life_seconds: float
    """How long after its creation it expires at the earliest, once it has waited for an approval."""
    queue_seconds: float
    """How long it stays queued, each time."""
    think_seconds: float
    """How long the model thinks where the script says nothing."""
    cancel_seconds: float
    """How long it stays cancelling."""
    prompt_characters: int
    """How much text the model reads; grows with each step."""
    queues: bool = True
    """It waits in a queue for the model; else it is picked up at once."""
    status: RunStatus = RunStatus.QUEUED
    """As the wire shows it."""
    waits_in_queue: bool = True
    """The model has not picked it up; not told by the status, since a queued run can be cancelled."""
    outruns_cancel: bool = False
    """A cancel came, but too late: the model goes on."""
    regress_seconds: float | None = None
    """So long after it was cancelled the model goes on, wrongly; none: it stays cancelled."""
    position: int = 0
    """Which move of the script comes next."""
    due: float = NEVER
    """When the run changes by itself next."""
    started_at: float | None = None
    """When the model picked it up, last."""
    ended_at: float | None = None
    """When it became terminal."""
    end_code: str | None = None
    """The error code of a failed run, the reason of an incomplete one."""
    end_message: str = ""
    """The error message of a failed run."""
    steps: list[Step] = field(default_factory=list)
    """Oldest first."""
    last_outputs: tuple[str, ...] = ()
    """The outputs of the last round, in the order of its calls."""
    transitions: list[tuple[float, RunStatus]] = field(default_factory=list)
    """Every status and when it came; what a poll can only sample."""
    revision: int = 0
    """Grows with every change."""
    rendered: tuple[int, bytes] = (-1, b"")
    """The revision that was rendered last, and its bytes: polls mostly see nothing new."""
    past: list[tuple[float, Run]] | None = None
    """What it was before each change, and until when; none: not kept."""


@dataclass(slots=True, eq=False)
class Thread:
    """Keep a thread with its messages and runs, oldest first."""

    id: str
    """`thread_…`."""
    created_at: float
    """When it was created."""
    touched_at: float
    """When a client last changed something on it."""
    metadata: dict[str, str]
    """Its metadata."""
    tool_resources: JsonObject = field(default_factory=dict)
    """As they were sent."""
    messages: list[Message] = field(default_factory=list)
    """Oldest first."""
    runs: dict[str, Run] = field(default_factory=dict)
    """All its runs by id, oldest first."""
    live: list[Run] = field(default_factory=list)
    """Its runs that had not ended when it was last looked at."""

    @property
    def active_run(self) -> Run | None:
        """The run that has not ended, if there is one."""
        return next((run for run in self.live if not run.status.terminal), None)

    @property
    def quiet_since(self) -> float:
        """When something last happened on it; never, while a run is under way."""
        ends = [NEVER if run.ended_at is None else run.ended_at for run in self.runs.values()]
        return max(self.touched_at, *ends) if ends else self.touched_at
