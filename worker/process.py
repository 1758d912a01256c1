"""What lives in this process: the runtime that the Celery tasks of the process use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.handlers import HandlerRuntime
    from worker.runtime import RunsRuntime, ToolsRuntime


class Process:
    """Hold this process's runtimes; set once by the worker's bootstep or in the child after the fork."""

    def __init__(self) -> None:
        self._runs: RunsRuntime | None = None
        self._tools: ToolsRuntime | None = None
        self._handlers: HandlerRuntime | None = None

    @property
    def runs(self) -> RunsRuntime:
        """Give the runtime of a `runs` worker.

        Raises:
            RuntimeError: This process is no `runs` worker.
        """
        if self._runs is None:
            raise RuntimeError("no runs worker in this process; start one with `-P threads -Q runs`")
        return self._runs

    @runs.setter
    def runs(self, runtime: RunsRuntime) -> None:
        self._runs = runtime

    @property
    def tools(self) -> ToolsRuntime:
        """Give the runtime of a tools worker's parent; its children inherit it through the fork.

        Raises:
            RuntimeError: This process is no tools worker.
        """
        if self._tools is None:
            raise RuntimeError("no tools worker in this process; start one with `-P prefork -Q tools`")
        return self._tools

    @tools.setter
    def tools(self, runtime: ToolsRuntime) -> None:
        self._tools = runtime

    @property
    def handlers(self) -> HandlerRuntime:
        """Give the runtime of a tools worker's child, built on first use, after the fork."""
        if self._handlers is None:
            self._handlers = self.tools.handler_runtime()
        return self._handlers


process = Process()
