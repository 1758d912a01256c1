"""Handlers that let canaries out in every way a handler can; the secrets are in their environment."""

from __future__ import annotations

import json
import os
import signal

from threadrun import ToolError, tool


def _secret(name: str) -> str:
    return str(json.loads(os.environ["CANARIES"])[name])


@tool
def echo(text: str) -> str:
    """Give back what was said."""
    return text


@tool
def give() -> dict[str, str]:
    """Give a secret."""
    return {"secret": _secret("tool output")}


@tool
def raise_chain() -> str:
    """Fail with a secret, for a reason that holds another."""
    try:
        int(_secret("cause of an exception"))
    except ValueError as error:
        raise RuntimeError(_secret("exception of a handler")) from error
    return "never"


@tool
def raise_tool_error() -> str:
    """Tell the model a secret."""
    raise ToolError(_secret("ToolError"))


@tool(timeout_seconds=5)
def die(text: str) -> str:
    """Die like a crash of native code."""
    os.kill(os.getpid(), signal.SIGKILL)
    return text
