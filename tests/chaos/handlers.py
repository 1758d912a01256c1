"""Handlers that tell, in the file that CHAOS_EFFECTS_FILE names, whenever they are entered and left."""

from __future__ import annotations

import json
import os
import time

from threadrun import ToolContext, tool


def tell(event: str, context: ToolContext, name: str) -> None:
    """Append one line by one write, which a kill does not tear."""
    line = {
        "event": event,
        "run_key": context.run_key,
        "call": context.idempotency_key,
        "tool": name,
        "attempt": context.attempt,
        "at": time.time(),
    }
    file = os.open(os.environ["CHAOS_EFFECTS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)


@tool
def charge(context: ToolContext, seconds: float) -> str:
    """Do what must not be done twice.

    Args:
        seconds: How long it takes.
    """
    tell("entered", context, "charge")
    time.sleep(seconds)
    tell("left", context, "charge")
    return "charged"


@tool(idempotent=True)
def look_up(context: ToolContext, seconds: float) -> str:
    """Do what may be done again.

    Args:
        seconds: How long it takes.
    """
    tell("entered", context, "look_up")
    time.sleep(seconds)
    tell("left", context, "look_up")
    return "found"
