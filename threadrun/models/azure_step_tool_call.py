"""The tool calls that only Azure's agent service records (azure-ai-agents' RunStepToolCall subclasses)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from threadrun.models.required_tool_call import ArgumentsText
from threadrun.models.step_tool_call import StepToolCall
from threadrun.models.tolerant import Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.wire import WireModel


class ServiceToolCall(StepToolCall):
    """Record a call of a search or data service; `payload` has its free keys, strings mostly.

    Bing's `response_metadata` is the text of a Python dict, not JSON.
    """

    kinds: ClassVar = (
        "azure_ai_search",
        "bing_grounding",
        "bing_custom_search",
        "sharepoint_grounding",
        "openapi",
        "fabric_dataagent",
    )


class AzureFunctionCall(WireModel):
    """Record a call that went through storage queues."""

    name: TolerantText = ""
    """The function's name."""
    arguments: ArgumentsText = ""
    """JSON text."""
    output: Tolerant[str] = None
    """What came back."""


class AzureFunctionToolCall(StepToolCall):
    """Record a call of an Azure Function, made by the provider."""

    kinds: ClassVar = ("azure_function",)
    type: TolerantText = "azure_function"
    """Always azure_function."""
    azure_function: Tolerant[AzureFunctionCall] = None
    """The call."""


class ConnectedAgentCall(WireModel):
    """Record work that another agent did."""

    name: TolerantText = ""
    """The agent's name."""
    arguments: ArgumentsText = ""
    """What it was asked."""
    output: Tolerant[str] = None
    """What it answered."""
    run_id: Tolerant[str] = None
    """The agent's run."""
    thread_id: Tolerant[str] = None
    """The agent's thread."""
    assistant_id: Tolerant[str] = None
    """The agent."""


class ConnectedAgentToolCall(StepToolCall):
    """Record a hand-over to another agent."""

    kinds: ClassVar = ("connected_agent",)
    type: TolerantText = "connected_agent"
    """Always connected_agent."""
    connected_agent: Tolerant[ConnectedAgentCall] = None
    """The agent's run."""


class DeepResearchCall(WireModel):
    """Record a research."""

    input: Tolerant[str] = None
    """What was asked."""
    output: Tolerant[str] = None
    """What was found."""


class DeepResearchToolCall(StepToolCall):
    """Record a deep research."""

    kinds: ClassVar = ("deep_research",)
    type: TolerantText = "deep_research"
    """Always deep_research."""
    deep_research: Tolerant[DeepResearchCall] = None
    """The research."""


class McpToolCall(StepToolCall):
    """Record a call of an MCP server's tool; its fields lie beside the id, under no key of their own."""

    kinds: ClassVar = ("mcp",)
    type: TolerantText = "mcp"
    """Always mcp."""
    name: TolerantText = ""
    """The tool's name."""
    arguments: ArgumentsText = ""
    """JSON text."""
    output: Tolerant[str] = None
    """What the tool answered; null until it was approved and ran."""
    server_label: Tolerant[str] = None
    """Which server, as the tool definition calls it."""


class BrowserStep(WireModel):
    """Record one step in the browser."""

    last_step_result: Tolerant[str] = None
    """What the step before led to."""
    current_state: Tolerant[str] = None
    """What the browser shows."""
    next_step: Tolerant[str] = None
    """What comes next."""


class BrowserAutomationCall(WireModel):
    """Record what was done in a browser."""

    input: Tolerant[str] = None
    """What was asked."""
    output: Tolerant[str] = None
    """What came of it."""
    steps: TolerantTuple[BrowserStep] = ()
    """The way there."""


class BrowserAutomationToolCall(StepToolCall):
    """Record a browser automation."""

    kinds: ClassVar = ("browser_automation",)
    type: TolerantText = "browser_automation"
    """Always browser_automation."""
    browser_automation: Tolerant[BrowserAutomationCall] = None
    """What was done."""


class ComputerUseCall(WireModel):
    """Record one action on a computer."""

    action: TolerantObject = Field(default_factory=dict)
    """`{"type": click, type, scroll, screenshot, …}` with the type's own keys."""
    pending_safety_checks: TolerantTuple[dict[str, Any]] = ()
    """Checks to acknowledge with the output."""
    acknowledged_safety_checks: TolerantTuple[dict[str, Any]] = ()
    """Checks that were acknowledged."""
    output: Tolerant[dict[str, Any]] = None
    """`{"type": "computer_screenshot", "file_id" or "image_url"}`; null until submitted."""


class ComputerUseToolCall(StepToolCall):
    """Record an action of computer use."""

    kinds: ClassVar = ("computer_use_preview",)
    type: TolerantText = "computer_use_preview"
    """Always computer_use_preview."""
    computer_use_preview: Tolerant[ComputerUseCall] = None
    """The action and its screenshot."""
