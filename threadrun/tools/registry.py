"""Which tools there are, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from threadrun.errors import ToolDefinitionError
from threadrun.tools.definition import Tool
from threadrun.tools.loading import import_tools


class ToolRegistry:
    """Hold tools under their names; no name stands for two functions."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    @classmethod
    def load(cls, modules: Sequence[str]) -> ToolRegistry:
        """Import modules, and collect exactly the tools that they define or import.

        A package brings the tools of those of its submodules that it imports. The worker loads the modules
        that THREADRUN_TOOLS__MODULES names.

        Raises:
            ToolModuleError: a module cannot be imported, or holds no tool.
            ToolDefinitionError: a handler cannot be offered to a model, or two of them use one name.
        """
        found: dict[int, Tool] = {}
        for module in [modules] if isinstance(modules, str) else modules:
            found.update((id(tool), tool) for tool in import_tools(module, default_registry))
        return cls(found.values())

    def add(self, tool: Tool) -> None:
        """Add a tool; the same function defined again, as by a reload, takes its own place.

        Raises:
            ToolDefinitionError: the name is another function's.
        """
        taken = self._tools.get(tool.name)
        if taken is not None and not tool.origin.renews(taken.origin):
            raise ToolDefinitionError(
                tool.name,
                f"the name is taken by {taken.origin}; rename {tool.origin}, or give it another name=…",
            )
        self._tools[tool.name] = tool

    def get(self, name: str) -> Tool | None:
        """Give the tool of this name, if there is one."""
        return self._tools.get(name)

    def names(self) -> tuple[str, ...]:
        """List the names, sorted."""
        return tuple(sorted(self._tools))

    def queues(self) -> tuple[str, ...]:
        """List the queues that the tools are run on, sorted."""
        return tuple(sorted({tool.queue for tool in self._tools.values()}))

    def __iter__(self) -> Iterator[Tool]:
        return iter([self._tools[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools


default_registry = ToolRegistry()
"""Every tool that was decorated in this process."""
