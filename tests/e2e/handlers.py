"""Handlers for the end-to-end tests; each entry leaves a line in the file that E2E_EFFECTS_FILE names."""

from __future__ import annotations

import json
import os
import signal
import time

from threadrun import ToolContext, ToolError, tool


def leave_effect(context: ToolContext, tool_name: str) -> None:
    """Append one line; a short append is never torn."""
    line = f"{context.run_key} {tool_name} {context.idempotency_key} {context.attempt}\n"
    with open(os.environ["E2E_EFFECTS_FILE"], "a", encoding="utf-8") as file:
        file.write(line)


@tool
def add(context: ToolContext, a: int, b: int) -> int:
    """Add two numbers."""
    leave_effect(context, "add")
    return a + b


@tool
def slow(context: ToolContext, seconds: float) -> str:
    """Take so many seconds, but stop when the run is cancelled."""
    leave_effect(context, "slow")
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if context.cancelled():
            return "stopped"
        time.sleep(0.05)
    return f"took {seconds:g} s"


@tool(idempotent=True)
def slow_idempotent(context: ToolContext, seconds: float) -> str:
    """Take so many seconds; may be run again when its worker dies."""
    leave_effect(context, "slow_idempotent")
    time.sleep(seconds)
    return f"took {seconds:g} s"


@tool
def fail(context: ToolContext, text: str) -> str:
    """Fail with a text for the model."""
    leave_effect(context, "fail")
    raise ToolError(text)


@tool
def crash(context: ToolContext) -> str:
    """Kill the process that it runs in."""
    leave_effect(context, "crash")
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@tool(idempotent=True)
def idempotent_crash_once(context: ToolContext) -> str:
    """Kill the process at the first attempt, and succeed at the second."""
    leave_effect(context, "idempotent_crash_once")
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"survived under {context.idempotency_key}"


@tool(idempotent=True)
def always_crash(context: ToolContext) -> str:
    """Kill the process that it runs in, each time."""
    leave_effect(context, "always_crash")
    os._exit(1)


@tool(idempotent=True, on_unknown="park")
def crash_worker(context: ToolContext) -> str:
    """Kill the whole worker that it runs in, each time until a person has released it."""
    leave_effect(context, "crash_worker")
    if context.attempt <= 3:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(10)
    return "survived"


@tool
def ask_budget(server_label: str, tool: str, arguments: str) -> bool:
    """Approve what costs less than 100."""
    price: float = json.loads(arguments)["price"]
    return (server_label, tool) == ("shop", "buy") and price < 100


@tool
def ask_slowly(context: ToolContext, server_label: str, tool: str, arguments: str) -> bool:
    """Think until the run is cancelled."""
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at and not context.cancelled():
        time.sleep(0.05)
    return False
