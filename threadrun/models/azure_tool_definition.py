"""The tools that only Azure's agent service serves (azure-ai-agents' ToolDefinition subclasses).

All run at the provider, but `mcp` can ask for approval and `computer_use_preview` for an output.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from threadrun.models.tolerant import Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.tool_definition import FunctionDefinition, ToolDefinition
from threadrun.models.wire import WireModel


class AzureAiSearchToolDefinition(ToolDefinition):
    """Let the model search an Azure AI Search index; which, is in the run's `tool_resources`."""

    kinds: ClassVar = ("azure_ai_search",)
    type: TolerantText = "azure_ai_search"
    """Always azure_ai_search."""


class BingSearchConfiguration(WireModel):
    """Configure one Bing search."""

    connection_id: TolerantText = ""
    """The project's connection to Bing."""
    instance_name: Tolerant[str] = None
    """The custom search instance, on bing_custom_search."""
    market: Tolerant[str] = None
    """Where results come from, such as en-US."""
    set_lang: Tolerant[str] = None
    """The language of user interface strings."""
    count: Tolerant[int] = None
    """How many results."""
    freshness: Tolerant[str] = None
    """How old results may be."""


class BingParameters(WireModel):
    """List the searches of a Bing tool."""

    search_configurations: TolerantTuple[BingSearchConfiguration] = ()
    """One search each."""


class BingToolDefinition(ToolDefinition):
    """Ground answers in Bing, or in a custom Bing search; `type` tells which."""

    kinds: ClassVar = ("bing_grounding", "bing_custom_search")
    bing_grounding: Tolerant[BingParameters] = None
    """On type bing_grounding."""
    bing_custom_search: Tolerant[BingParameters] = None
    """On type bing_custom_search."""


class ToolConnection(WireModel):
    """Name a connection of the project."""

    connection_id: TolerantText = ""
    """The connection's id."""


class ToolConnections(WireModel):
    """List the connections that a tool uses."""

    connections: TolerantTuple[ToolConnection] = ()
    """At most one today."""


class ConnectedDataToolDefinition(ToolDefinition):
    """Ground answers in Microsoft Fabric or in SharePoint; `type` tells which."""

    kinds: ClassVar = ("fabric_dataagent", "sharepoint_grounding")
    fabric_dataagent: Tolerant[ToolConnections] = None
    """On type fabric_dataagent."""
    sharepoint_grounding: Tolerant[ToolConnections] = None
    """On type sharepoint_grounding."""


class OpenApiFunction(WireModel):
    """Describe an API to the model by its OpenAPI document."""

    name: TolerantText = ""
    """The API's name."""
    description: Tolerant[str] = None
    """What it does; the model reads it."""
    spec: TolerantObject = Field(default_factory=dict)
    """The OpenAPI document."""
    auth: TolerantObject = Field(default_factory=dict)
    """`{"type": "anonymous" | "connection" | "managed_identity", "security_scheme": …}`."""
    default_params: TolerantTuple[str] = ()
    """Parameters that the server fills in."""
    functions: TolerantTuple[FunctionDefinition] = ()
    """The functions the server found in the document; output only."""


class OpenApiToolDefinition(ToolDefinition):
    """Let the provider call an HTTP API."""

    kinds: ClassVar = ("openapi",)
    type: TolerantText = "openapi"
    """Always openapi."""
    openapi: Tolerant[OpenApiFunction] = None
    """The API."""


class AzureFunctionDefinition(WireModel):
    """Bind a function to two storage queues."""

    function: Tolerant[FunctionDefinition] = None
    """The function as the model sees it."""
    input_binding: TolerantObject = Field(default_factory=dict)
    """`{"type": "storage_queue", "storage_queue": {"queue_service_endpoint", "queue_name"}}`."""
    output_binding: TolerantObject = Field(default_factory=dict)
    """As the input's."""


class AzureFunctionToolDefinition(ToolDefinition):
    """Let the provider call an Azure Function through its queues; it needs no action of ours."""

    kinds: ClassVar = ("azure_function",)
    type: TolerantText = "azure_function"
    """Always azure_function."""
    azure_function: Tolerant[AzureFunctionDefinition] = None
    """The function and its queues."""


class ConnectedAgent(WireModel):
    """Name another agent to the model."""

    id: TolerantText = ""
    """The agent's id."""
    name: TolerantText = ""
    """How the model calls it."""
    description: Tolerant[str] = None
    """When to call it; the model reads it."""


class ConnectedAgentToolDefinition(ToolDefinition):
    """Let the model hand work to another agent; its runs are of their own."""

    kinds: ClassVar = ("connected_agent",)
    type: TolerantText = "connected_agent"
    """Always connected_agent."""
    connected_agent: Tolerant[ConnectedAgent] = None
    """The agent."""


class DeepResearch(WireModel):
    """Configure deep research."""

    deep_research_model: Tolerant[str] = None
    """The model that does the research."""
    bing_grounding_connections: TolerantTuple[ToolConnection] = ()
    """The connections it searches with."""


class DeepResearchToolDefinition(ToolDefinition):
    """Let the model research at length."""

    kinds: ClassVar = ("deep_research",)
    type: TolerantText = "deep_research"
    """Always deep_research."""
    deep_research: Tolerant[DeepResearch] = None
    """The model and its connections."""


class McpToolDefinition(ToolDefinition):
    """Let the model use an MCP server; headers and approval rules are in the run's `tool_resources`."""

    kinds: ClassVar = ("mcp",)
    type: TolerantText = "mcp"
    """Always mcp."""
    server_label: TolerantText = ""
    """How calls name the server."""
    server_url: TolerantText = ""
    """Its URL."""
    allowed_tools: Tolerant[list[Any]] = None
    """Null: all of its tools."""


class BrowserAutomation(WireModel):
    """Name the browser to automate."""

    connection: TolerantObject = Field(default_factory=dict)
    """`{"id": …}`, a connection to a Playwright workspace."""


class BrowserAutomationToolDefinition(ToolDefinition):
    """Let the provider drive a browser; its steps can take minutes."""

    kinds: ClassVar = ("browser_automation",)
    type: TolerantText = "browser_automation"
    """Always browser_automation."""
    browser_automation: Tolerant[BrowserAutomation] = None
    """The browser."""


class ComputerUse(WireModel):
    """Describe the screen of the computer to use."""

    display_width: Tolerant[int] = None
    """In pixels."""
    display_height: Tolerant[int] = None
    """In pixels."""
    environment: Tolerant[str] = None
    """windows, mac, linux or browser."""


class ComputerUseToolDefinition(ToolDefinition):
    """Let the model use a computer of ours; each action requires a screenshot as its output."""

    kinds: ClassVar = ("computer_use_preview",)
    type: TolerantText = "computer_use_preview"
    """Always computer_use_preview."""
    computer_use_preview: Tolerant[ComputerUse] = None
    """The computer's screen."""
