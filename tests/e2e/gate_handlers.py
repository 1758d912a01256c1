"""Handlers of the quirks' tests: one answers at once, one waits until it is let go."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.e2e.handlers import leave_effect
from threadrun import ToolContext, tool


@tool
def plus(context: ToolContext, a: int, b: int) -> int:
    """Add two numbers."""
    leave_effect(context, "plus")
    return a + b


@tool
def gated(context: ToolContext) -> str:
    """Wait until the run's gate is open, or the run cancelled."""
    leave_effect(context, "gated")
    gate = Path(os.environ["E2E_GATES"]) / context.run_key
    gate.with_name(f"{context.run_key}.entered").touch()
    while not gate.exists() and not context.cancelled():
        time.sleep(0.05)
    return "let go"
