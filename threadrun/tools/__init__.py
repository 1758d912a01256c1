"""The handlers' side of the contract: write a function, decorate it, and a model can call it.

    from threadrun.tools import ToolContext, ToolError, tool

    @tool(timeout_seconds=10)
    def weather(city: str) -> str:
        '''Tell the weather of a city.'''

The signature becomes the JSON schema that the model sees, and what the model sends is validated strictly
against it before the function is entered. Workers find handlers by the modules that they are told to import.
"""

from threadrun.errors import ToolDefinitionError, ToolError, ToolModuleError
from threadrun.tools.context import ToolContext
from threadrun.tools.decorator import ToolFunction, tool
from threadrun.tools.definition import Tool
from threadrun.tools.registry import ToolRegistry
from threadrun.tools.results import ToolResult, ToolResultKind, error_result
from threadrun.tools.timeout import ToolTimeout

__all__ = [
    "Tool",
    "ToolContext",
    "ToolDefinitionError",
    "ToolError",
    "ToolFunction",
    "ToolModuleError",
    "ToolRegistry",
    "ToolResult",
    "ToolResultKind",
    "ToolTimeout",
    "error_result",
    "tool",
]
