"""The words for where a run is: its status at the provider, its stage with us, its outcome for the caller."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Name the provider's nine run statuses, as they stand on the wire.

    Source: OpenAI's published RunObject schema; Azure's enum lacks `incomplete` but sends it.
    """

    QUEUED = "queued"
    """Created, not started."""
    IN_PROGRESS = "in_progress"
    """The model is working."""
    REQUIRES_ACTION = "requires_action"
    """Waits for tool outputs or approvals; expires if they do not come."""
    CANCELLING = "cancelling"
    """A cancel was accepted; the run may still complete."""
    CANCELLED = "cancelled"
    """Terminal: cancelled."""
    FAILED = "failed"
    """Terminal: ended by an error, told in `last_error`."""
    COMPLETED = "completed"
    """Terminal: ended as it should."""
    INCOMPLETE = "incomplete"
    """Terminal: ended at a token limit, told in `incomplete_details`."""
    EXPIRED = "expired"
    """Terminal: the provider's own time limit passed."""

    @property
    def terminal(self) -> bool:
        """Tell whether the provider will never change this status again."""
        return self in TERMINAL_STATUSES


TERMINAL_STATUSES = frozenset(
    {RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.INCOMPLETE, RunStatus.EXPIRED}
)
"""The five statuses after which a run never changes."""


class Stage(StrEnum):
    """Name where the engine is with a run; each stage is served by one Celery task.

    The comment of each member says what happens when the worker dies there.
    """

    WAITING = "waiting"
    """Waits for its thread. A death here costs one lease: the entry in the agenda stays."""
    CREATE = "create"
    """Is being created. A death here: the run is searched for at the provider before it is created again."""
    POLL = "poll"
    """Is watched at the provider. A death here costs one lease."""
    TOOLS = "tools"
    """Its tool calls run in handlers. A death here: settled outputs stand, idempotent calls run again,
    any other interrupted call is recorded as unknown."""
    SUBMIT = "submit"
    """Its tool outputs are being sent. A death here: the run is read and the same bytes are sent again if needed."""
    CANCEL = "cancel"
    """Is being cancelled, until the provider shows a terminal status. A death here costs one lease."""
    FINALIZE = "finalize"
    """Ended; steps, messages and usage are being read. A death here: they are read again."""
    DONE = "done"
    """The final record is written and never changes."""


class Outcome(StrEnum):
    """Name how a run ended for its caller: the provider's terminal status, or an ending of our own."""

    COMPLETED = "completed"
    """The provider completed it."""
    INCOMPLETE = "incomplete"
    """The provider ended it at a token limit."""
    FAILED = "failed"
    """The provider failed it, or we gave it up for its tool calls; `run.cancelling` says why."""
    CANCELLED = "cancelled"
    """It was cancelled, at the provider or before it was created."""
    EXPIRED = "expired"
    """The provider's own time limit passed."""
    TIMED_OUT = "timed_out"
    """Our deadline passed; a cancel was sent if the run existed."""
    REJECTED = "rejected"
    """The provider refused to create it; `last_answer` says why."""
    LOST = "lost"
    """The provider no longer knows it, its creation could not be confirmed, or it was given up in quarantine."""


class CallState(StrEnum):
    """Name where a tool call is in the ledger."""

    PENDING = "pending"
    """Waits for a worker of its queue."""
    CLAIMED = "claimed"
    """A worker runs its handler."""
    UNKNOWN = "unknown"
    """Its handler was entered, and nobody knows how it ended: it is parked for a person, or its run fails by it."""
    SETTLED = "settled"
    """Its output is stored; the handler never runs again."""
    SUBMITTED = "submitted"
    """Its output was accepted by the provider."""
    WITHDRAWN = "withdrawn"
    """The run moved on before a handler began; the call was never run."""


class OnUnknown(StrEnum):
    """Name what a tool wants done with a call whose handler was entered and never reported how it ended."""

    TELL = "tell"
    """The model is told that the outcome is unknown, and the run goes on."""
    FAIL = "fail"
    """The run is cancelled and ends failed."""
    PARK = "park"
    """The call waits for a person, until the run expires at the provider or its deadline passes."""
