"""One execution of an assistant over a thread."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from threadrun.models.incomplete_details import IncompleteDetails
from threadrun.models.last_error import LastError
from threadrun.models.required_action import RequiredAction
from threadrun.models.required_tool_call import RequiredToolCall
from threadrun.models.response_format import ResponseFormat
from threadrun.models.tolerant import Number, Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.tool_choice import ToolChoice
from threadrun.models.tool_definition import ToolDefinition
from threadrun.models.truncation_strategy import TruncationStrategy
from threadrun.models.usage import Usage
from threadrun.models.wire import WireModel
from threadrun.status import RunStatus

_KNOWN_STATUSES = {status.value: status for status in RunStatus}


class Run(WireModel):
    """Hold a run as the provider shows it (RunObject, and what servers send beside it).

    Only the id and the status are required: every other field accepts null, absence and a wrong type, since
    one server or another sends each of them so. Times are seconds since 1970 by the provider's clock, whole
    at OpenAI and Azure, with a fraction elsewhere; only their differences mean anything here.
    """

    id: Annotated[str, Field(min_length=1)]
    """The run's id, of any form."""
    object: TolerantText = "thread.run"
    """Always thread.run."""
    created_at: Tolerant[Number] = None
    """When it was created."""
    thread_id: Tolerant[str] = None
    """Its thread."""
    assistant_id: Tolerant[str] = None
    """Its assistant."""
    status: Annotated[str, Field(min_length=1)]
    """As the server spells it; `known_status` reads it."""
    required_action: Tolerant[RequiredAction] = None
    """What it waits for; null or the empty object otherwise."""
    last_error: Tolerant[LastError] = None
    """Why it failed; null unless it did."""
    expires_at: Tolerant[Number] = None
    """When it will expire: 600 s after creation at OpenAI, 1800 s at Azure, later while an approval is
    wanted. Null once terminal, and always on self-hosted servers."""
    started_at: Tolerant[Number] = None
    """When it began; moves on when it resumes at Azure."""
    cancelled_at: Tolerant[Number] = None
    """When it was cancelled; some servers set it already in `cancelling`."""
    failed_at: Tolerant[Number] = None
    """When it failed."""
    completed_at: Tolerant[Number] = None
    """When it completed; set for `incomplete` too."""
    incomplete_details: Tolerant[IncompleteDetails] = None
    """Why it is incomplete; null otherwise."""
    model: Tolerant[str] = None
    """The model."""
    instructions: Tolerant[str] = None
    """Null in many recorded replies, though the published schema says it is a string."""
    tools: TolerantTuple[ToolDefinition] = ()
    """The tools it may use."""
    tool_resources: TolerantObject = Field(default_factory=dict)
    """What its tools work on; sent by OpenAI and Azure though absent from the published schema."""
    metadata: TolerantObject = Field(default_factory=dict)
    """The caller's pairs of strings; null on some servers."""
    temperature: Tolerant[Number] = None
    """0 to 2."""
    top_p: Tolerant[Number] = None
    """0 to 1."""
    reasoning_effort: Tolerant[str] = None
    """Sent by OpenAI though absent from the published schema."""
    max_prompt_tokens: Tolerant[int] = None
    """Null: no limit."""
    max_completion_tokens: Tolerant[int] = None
    """Null: no limit."""
    truncation_strategy: Tolerant[TruncationStrategy] = None
    """Null on self-hosted servers."""
    tool_choice: Tolerant[str | ToolChoice] = None
    """none, auto, required, or the object naming one tool; null on self-hosted servers."""
    parallel_tool_calls: Tolerant[bool] = None
    """Absent on old and self-hosted servers."""
    response_format: Tolerant[str | ResponseFormat] = None
    """auto, or the object."""
    usage: Tolerant[Usage] = None
    """Null unless terminal; null or absent even then on some servers."""

    @property
    def known_status(self) -> RunStatus | None:
        """The status, or none when it is not one of the nine."""
        return _KNOWN_STATUSES.get(self.status)

    @property
    def terminal(self) -> bool:
        """Tell whether the provider will never change the status again; false for an unknown one."""
        known = self.known_status
        return known is not None and known.terminal

    @property
    def required_calls(self) -> tuple[RequiredToolCall, ...]:
        """The calls that the run waits for, in the server's order; empty when it waits for none."""
        return self.required_action.tool_calls if self.required_action else ()

    @property
    def required_actions(self) -> tuple[RequiredToolCall, ...]:
        """The same as `required_calls`, under the name of Azure's RequiredActions."""
        return self.required_calls
