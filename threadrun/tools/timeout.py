"""The interruption of a handler at its deadline."""

from __future__ import annotations


class ToolTimeout(BaseException):
    """Interrupt a handler whose deadline has passed.

    The worker raises it from the alarm signal, inside whatever the handler is doing; `Tool.call` turns it
    into a result of kind `timeout`. It is no `Exception`, so that a handler's `except Exception` does not
    swallow it; `finally` blocks and context managers of the handler still run.
    """
