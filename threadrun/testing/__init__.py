"""What your own tests need: a run server that speaks the Assistants wire, and tools called as a model would.

    from threadrun.testing import RunServer, call_tool

Every name is imported when it is first used: pytest loads the fixtures of this package in every session,
and a session that uses none of them must not pay for Starlette and uvicorn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadrun.testing.clock import Clock, ManualClock, RunningClock
    from threadrun.testing.effects import Effect
    from threadrun.testing.options import ServerOptions
    from threadrun.testing.server import RunServer
    from threadrun.testing.tool_calls import call_tool, sample_context

__all__ = [
    "Clock",
    "Effect",
    "ManualClock",
    "RunServer",
    "RunningClock",
    "ServerOptions",
    "call_tool",
    "sample_context",
]

_HOMES = {
    "Clock": "clock",
    "Effect": "effects",
    "ManualClock": "clock",
    "RunServer": "server",
    "RunningClock": "clock",
    "ServerOptions": "options",
    "call_tool": "tool_calls",
    "sample_context": "tool_calls",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
