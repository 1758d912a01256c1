"""What your own tests need: a run server that speaks the Assistants wire and can be told to break, tools called as
a model would, a Redis of their own, and the whole of threadrun on this machine.

    from threadrun.testing import EmbeddedRedis, LocalStack, RunServer, call_tool

Every name is imported when it is first used: pytest loads the fixtures of this package in every session,
and a session that uses none of them must not pay for Starlette and uvicorn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadrun.testing.azure_dialect import AzureAgentsDialect
    from threadrun.testing.clock import Clock, ManualClock, RunningClock
    from threadrun.testing.effects import Effect
    from threadrun.testing.embedded_redis import EmbeddedRedis, start_embedded_redis
    from threadrun.testing.fault_proxy import FaultProxy
    from threadrun.testing.faults import Fault, FaultPlan, FaultRule
    from threadrun.testing.local_stack import LocalStack
    from threadrun.testing.options import ServerOptions
    from threadrun.testing.quirks import Quirk
    from threadrun.testing.run_server_control import RunServerControl
    from threadrun.testing.server import RunServer
    from threadrun.testing.tool_calls import call_tool, sample_context

__all__ = [
    "AzureAgentsDialect",
    "Clock",
    "Effect",
    "EmbeddedRedis",
    "Fault",
    "FaultPlan",
    "FaultProxy",
    "FaultRule",
    "LocalStack",
    "ManualClock",
    "Quirk",
    "RunServer",
    "RunServerControl",
    "RunningClock",
    "ServerOptions",
    "call_tool",
    "sample_context",
    "start_embedded_redis",
]

_HOMES = {
    "AzureAgentsDialect": "azure_dialect",
    "Clock": "clock",
    "Effect": "effects",
    "EmbeddedRedis": "embedded_redis",
    "Fault": "faults",
    "FaultPlan": "faults",
    "FaultProxy": "fault_proxy",
    "FaultRule": "faults",
    "Quirk": "quirks",
    "LocalStack": "local_stack",
    "ManualClock": "clock",
    "RunServer": "server",
    "RunServerControl": "run_server_control",
    "RunningClock": "clock",
    "ServerOptions": "options",
    "call_tool": "tool_calls",
    "sample_context": "tool_calls",
    "start_embedded_redis": "embedded_redis",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
