"""The tools of simulated runs; their entry and exit are steps of the process that runs them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.seam import Life
from threadrun.tools import Tool, ToolContext, ToolRegistry
from threadrun.tools.building import build_tool
from threadrun.tools.options import ToolOptions


def unregistered(**options: Any) -> Callable[[Callable[..., Any]], Tool]:
    """Make a tool that no registry of the process knows: other tests have tools of the same names there."""
    frame = inspect.currentframe()
    return lambda function: build_tool(
        function, None, None, ToolOptions(**options), frame.f_back if frame else None
    )


@dataclass
class Entered:
    """Keep which handler was entered for which call."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    """Tool and idempotency key, which names run key, round and index."""

    def note(self, name: str, key: str) -> None:
        self.entries.append((name, key))


class Handlers:
    """Make the tools for a process; `life` gives the child that runs one."""

    def __init__(self, entered: Entered) -> None:
        self._entered = entered

    def __call__(self, life: Callable[[], Life]) -> ToolRegistry:
        self._life = life
        return ToolRegistry([*self._sound(), *self._unsound(), *self._delicate()])

    def _enter(self, context: ToolContext, name: str) -> None:
        self._life().step("handler entry before")
        self._entered.note(name, context.idempotency_key)
        self._life().step("handler entry after")
        context.cancelled()

    def _sound(self) -> Iterator[Tool]:
        @unregistered()
        def add(context: ToolContext, a: int, b: int) -> int:
            """Add."""
            self._enter(context, "add")
            self._life().step("handler exit")
            return a + b

        @unregistered(idempotent=True)
        def look(context: ToolContext) -> str:
            """Look."""
            self._enter(context, "look")
            self._life().step("handler exit")
            return "seen"

        @unregistered()
        def elsewhere(context: ToolContext) -> str:
            """Be lacking where the first message comes to."""
            self._enter(context, "elsewhere")
            self._life().step("handler exit")
            return "here"

        yield from (add, look, elsewhere)

    def _unsound(self) -> Iterator[Tool]:
        @unregistered()
        def fail(context: ToolContext) -> str:
            """Fail."""
            self._enter(context, "fail")
            raise ValueError("wrong")

        @unregistered(idempotent=True, retries=2)
        def flaky(context: ToolContext) -> str:
            """Fail the first time."""
            self._enter(context, "flaky")
            if context.attempt == 1:
                raise ValueError("not yet")
            return "at last"

        @unregistered(idempotent=True)
        def killed(context: ToolContext) -> str:
            """Die with the child, the first time."""
            self._enter(context, "killed")
            if context.attempt == 1:
                self._life().shoot()
            return "alive"

        @unregistered()
        def shot(context: ToolContext) -> str:
            """Die with the child."""
            self._enter(context, "shot")
            self._life().shoot()

        yield from (fail, flaky, killed, shot)

    def _delicate(self) -> Iterator[Tool]:
        @unregistered(on_unknown="fail")
        def fatal(context: ToolContext) -> str:
            """Die with the child, and fail the run."""
            self._enter(context, "fatal")
            self._life().shoot()

        @unregistered(on_unknown="park")
        def parked(context: ToolContext) -> str:
            """Die with the child, and wait for a person."""
            self._enter(context, "parked")
            self._life().shoot()

        yield from (fatal, parked)
