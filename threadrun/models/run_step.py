"""One entry of a run's history."""

from __future__ import annotations

from pydantic import Field

from threadrun.models.last_error import LastError
from threadrun.models.step_details import MessageCreationDetails, StepDetails, ToolCallsDetails
from threadrun.models.step_tool_call import StepToolCall
from threadrun.models.tolerant import Number, Tolerant, TolerantObject, TolerantText
from threadrun.models.usage import Usage
from threadrun.models.wire import WireModel


class RunStep(WireModel):
    """Hold a run step as the provider shows it (RunStepObject). Only the id is required.

    Times are seconds since 1970 by the provider's clock, whole at OpenAI and Azure, with a fraction
    elsewhere.
    """

    id: str
    """The step's id, of any form."""
    object: TolerantText = "thread.run.step"
    """Always thread.run.step."""
    created_at: Tolerant[Number] = None
    """When it began."""
    run_id: Tolerant[str] = None
    """Its run."""
    assistant_id: Tolerant[str] = None
    """Its assistant."""
    thread_id: Tolerant[str] = None
    """Its thread."""
    type: TolerantText = ""
    """message_creation, tool_calls, or Azure's activities; others may come."""
    status: TolerantText = ""
    """in_progress, completed, failed, cancelled or expired; never queued."""
    step_details: Tolerant[StepDetails] = None
    """What it did, by the same `type`."""
    last_error: Tolerant[LastError] = None
    """Why it failed; null unless it did."""
    expires_at: Tolerant[Number] = None
    """What OpenAI and Azure really send in place of the published `expired_at`; see that property."""
    completed_at: Tolerant[Number] = None
    """Null unless completed, and null on completed tool steps of some servers."""
    cancelled_at: Tolerant[Number] = None
    """Null unless cancelled."""
    failed_at: Tolerant[Number] = None
    """Null unless failed."""
    metadata: TolerantObject = Field(default_factory=dict)
    """In the published schema, yet absent from recorded replies of OpenAI and Azure."""
    usage: Tolerant[Usage] = None
    """Null while in progress; absent on some servers."""

    @property
    def step_type(self) -> str:
        """The step's `type` (Aspose calls it RunStepType)."""
        return self.type

    @property
    def expired_at(self) -> int | float | None:
        """When the step expires or expired: `expired_at` where it was sent, else `expires_at`."""
        published = (self.model_extra or {}).get("expired_at")
        return published if type(published) in (int, float) else self.expires_at

    @property
    def tool_calls(self) -> tuple[StepToolCall, ...]:
        """The step's tool calls; empty for a step of another type."""
        return self.step_details.tool_calls if isinstance(self.step_details, ToolCallsDetails) else ()

    @property
    def message_id(self) -> str | None:
        """The message that the step wrote; none for a step of another type."""
        details = self.step_details
        if not isinstance(details, MessageCreationDetails) or details.message_creation is None:
            return None
        return details.message_creation.message_id or None
