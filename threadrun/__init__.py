"""threadrun carries an assistant's run from enqueue to one final record, whatever dies on the way.

    from threadrun import RunClient, tool

This package is the contract: what web apps, tool authors and operators import. It needs no Celery.
"""

from threadrun.client import AsyncRunClient, AsyncRunHandle, RunClient, RunHandle
from threadrun.errors import ThreadrunError
from threadrun.records import RunRecord, RunSummary, ToolCallRecord, Transition
from threadrun.status import CallState, Outcome, RunStatus, Stage
from threadrun.tools import ToolContext, ToolError, tool

__all__ = [
    "AsyncRunClient",
    "AsyncRunHandle",
    "CallState",
    "Outcome",
    "RunClient",
    "RunHandle",
    "RunRecord",
    "RunStatus",
    "RunSummary",
    "Stage",
    "ThreadrunError",
    "ToolCallRecord",
    "ToolContext",
    "ToolError",
    "Transition",
    "tool",
]
