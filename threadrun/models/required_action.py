"""What a run waits for."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from threadrun.models.kinded import KindedModel
from threadrun.models.required_tool_call import RequiredToolCall
from threadrun.models.tolerant import Tolerant, TolerantTuple
from threadrun.models.wire import WireModel


class RequiredToolCalls(WireModel):
    """List the calls of a required action."""

    tool_calls: TolerantTuple[RequiredToolCall] = ()
    """In the server's order; all are answered in one request."""


class RequiredAction(KindedModel):
    """Say what a run in status `requires_action` waits for (RunObject's `required_action`).

    Its types are submit_tool_outputs and Azure's submit_tool_approval; an unknown type has no `tool_calls`,
    and what it asks is in `payload`. Null when the run waits for nothing; the empty object that
    open-assistant-api sends after a submit reads as none too.
    """

    submit_tool_outputs: Tolerant[RequiredToolCalls] = None
    """Calls whose outputs are wanted, on type `submit_tool_outputs`."""
    submit_tool_approval: Tolerant[RequiredToolCalls] = None
    """MCP calls to approve or refuse, on Azure's type `submit_tool_approval`."""

    @model_validator(mode="before")
    @classmethod
    def _asks_something(cls, value: Any) -> Any:
        if value == {}:
            raise ValueError("an empty required_action asks for nothing")
        return value

    @property
    def tool_calls(self) -> tuple[RequiredToolCall, ...]:
        """The calls of either known type; empty for an unknown type."""
        calls = self.submit_tool_outputs or self.submit_tool_approval
        return calls.tool_calls if calls else ()
