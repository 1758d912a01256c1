"""Handlers that fail as asked, and what the model is told of a result."""

from __future__ import annotations

import json
from typing import Any

from threadrun.tools import ToolResult, tool


def failing(error: BaseException) -> Any:
    @tool(name=f"failing-{id(error)}")
    def fail() -> None:
        hidden_local = "local-value"  # noqa: F841 - must not be in the traceback
        raise error

    return fail


def told(result: ToolResult) -> dict[str, Any]:
    return json.loads(result.output)["error"]
