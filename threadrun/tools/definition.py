"""A tool: a handler, what the model is told of it, and how it is called."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from threadrun.tools.arguments import parse_arguments
from threadrun.tools.calling import run_handler
from threadrun.tools.context import ToolContext
from threadrun.tools.options import ToolOptions
from threadrun.tools.origin import Origin
from threadrun.tools.results import ToolResult
from threadrun.tools.schema import JsonSchema
from threadrun.tools.timeout import ToolTimeout


@dataclass(frozen=True, eq=False, kw_only=True)
class Tool:
    """Hold a registered handler under the name by which a model calls it.

    Made by `@tool`; the decorated function carries it as its attribute `tool`.
    """

    name: str
    """The name that the model sees; unique among the tools of a worker."""
    description: str
    """What the model is told that it does; empty when nothing says it."""
    parameters: JsonSchema
    """The JSON schema of its arguments."""
    function: Callable[..., Any] = field(repr=False)
    """The handler as it was written."""
    options: ToolOptions
    """How its calls are run."""
    origin: Origin = field(repr=False)
    """Where the handler was defined."""
    arguments_model: type[BaseModel] = field(repr=False)
    """The pydantic model that validates its arguments; its fields are the parameters in order."""
    parameter_names: tuple[str, ...] = field(repr=False)
    """The parameters that the model fills in, in the order of the model's fields."""
    context_name: str | None = field(repr=False)
    """The parameter that takes the `ToolContext`, if there is one."""

    @property
    def queue(self) -> str:
        """Name the Celery queue whose workers run it."""
        return self.options.queue

    @property
    def timeout_seconds(self) -> float:
        """Tell after how many seconds a call is interrupted."""
        return self.options.timeout_seconds

    @property
    def idempotent(self) -> bool:
        """Tell whether a call whose worker died may be run again."""
        return self.options.idempotent

    @property
    def on_unknown(self) -> str:
        """Name what is done when nobody knows how a call ended: `tell`, `fail` or `park`."""
        return self.options.on_unknown

    @property
    def retries(self) -> int:
        """Tell how many times a failed call is run again."""
        return self.options.retries

    @property
    def max_output_bytes(self) -> int:
        """Tell where its output is cut."""
        return self.options.max_output_bytes

    @property
    def definition(self) -> dict[str, Any]:
        """Give the wire form for the create-run call's `tools` (OpenAI's published FunctionTool schema)."""
        function: dict[str, Any] = {"name": self.name}
        if self.description:
            function["description"] = self.description
        function["parameters"] = copy.deepcopy(self.parameters)
        return {"type": "function", "function": function}

    def catalogue_entry(self) -> dict[str, Any]:
        """Give what a worker publishes of the tool: what callers may offer, and where its calls are sent."""
        return {
            "name": self.name,
            "definition": self.definition,
            "queue": self.queue,
            "timeout_seconds": self.timeout_seconds,
            "idempotent": self.idempotent,
            "on_unknown": self.on_unknown,
            "retries": self.retries,
            "max_output_bytes": self.max_output_bytes,
        }

    def parse_arguments(self, arguments: str) -> dict[str, Any]:
        """Validate the arguments that a model wrote, and give the handler's values, defaults included.

        Raises:
            ToolArgumentsInvalid: they do not fit; `problems` tells where and why.
        """
        parsed = parse_arguments(self.name, self.arguments_model, arguments)
        values = [getattr(parsed, key) for key in self.arguments_model.model_fields]
        return dict(zip(self.parameter_names, values, strict=True))

    def call(
        self, arguments: str, context: ToolContext, *, runner: asyncio.Runner | None = None
    ) -> ToolResult:
        """Call the handler as the model asked, and never raise for what it does.

        Call it where no event loop runs. An async handler is cancelled shortly before the context's
        deadline; a sync one runs until it returns, or until the worker's alarm raises `ToolTimeout` in it.
        After the deadline the handler is not entered. `SystemExit` and `KeyboardInterrupt` out of a handler
        are failures of the handler.

        Args:
            arguments: the JSON text that the model wrote, untrusted.
            context: which call this is.
            runner: the event loop that async handlers of this process share, so that clients they keep stay
                usable; none: a loop for this call alone.
        """
        prepare = functools.partial(self._bind, arguments, context)
        return run_handler(prepare, context.remaining_seconds, runner, self.max_output_bytes)

    def _bind(self, arguments: str, context: ToolContext) -> Callable[[], Any]:
        values = self.parse_arguments(arguments)
        if context.remaining_seconds() <= 0:
            raise ToolTimeout("the deadline had passed before the handler was entered")
        if self.context_name is not None:
            values[self.context_name] = context
        return functools.partial(self.function, **values)
