"""What a run step did."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from threadrun.models.kinded import KindedModel
from threadrun.models.step_tool_call import StepToolCall
from threadrun.models.tolerant import Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.wire import WireModel


class StepDetails(KindedModel):
    """Tell what a step did (RunStepObject's `step_details`); an unknown kind is read as this class."""


class CreatedMessage(WireModel):
    """Name a message."""

    message_id: TolerantText = ""
    """The message's id."""


class MessageCreationDetails(StepDetails):
    """Tell which message a step wrote."""

    kinds: ClassVar = ("message_creation",)
    type: TolerantText = "message_creation"
    """Always message_creation."""
    message_creation: Tolerant[CreatedMessage] = None
    """The message."""


class ToolCallsDetails(StepDetails):
    """Tell which tools a step called."""

    kinds: ClassVar = ("tool_calls",)
    type: TolerantText = "tool_calls"
    """Always tool_calls."""
    tool_calls: TolerantTuple[StepToolCall] = ()
    """The calls; empty while the step begins."""


class Activity(KindedModel):
    """Record one thing that a server did on its own, such as asking an MCP server for its tools."""

    id: TolerantText = ""
    """The activity's id."""
    server_label: Tolerant[str] = None
    """The MCP server, on type mcp_list_tools."""
    tools: TolerantObject = Field(default_factory=dict)
    """Its tools by name, each `{description, parameters}`, on type mcp_list_tools."""


class ActivitiesDetails(StepDetails):
    """Tell what the server did on its own (Azure only; such a step's usage is 0)."""

    kinds: ClassVar = ("activities",)
    type: TolerantText = "activities"
    """Always activities."""
    activities: TolerantTuple[Activity] = ()
    """What was done."""

    @property
    def listed_tools(self) -> dict[str, dict[str, Any]]:
        """The tools listed for each MCP server, by its label."""
        return {
            activity.server_label: activity.tools for activity in self.activities if activity.server_label
        }
