"""One call that a run waits for."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator

from threadrun.models.kinded import KindedModel
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel


def _as_text(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


ArgumentsText = Annotated[TolerantText, BeforeValidator(_as_text)]
"""Arguments as JSON text. The wire sends a string; an object, as some servers send, is written as one."""


class RequiredFunction(WireModel):
    """Name a function to call and its arguments (RunToolCallObject's `function`)."""

    name: TolerantText = ""
    """The tool's name."""
    arguments: ArgumentsText = ""
    """The arguments as the model wrote them: JSON text, not always valid."""


class RequiredToolCall(KindedModel):
    """Ask for one tool output or approval (RunToolCallObject; Azure's RequiredToolCall and MCP approvals).

    Types: `function`, `mcp` (an approval; name and arguments lie beside the id), `computer_use_preview`
    (no name), and whatever comes later. `name` and `arguments` read every form; `payload` has the rest.
    """

    id: TolerantText = ""
    """Goes back with the output. Some servers send an empty or repeated one; the index tells them apart."""
    function: Tolerant[RequiredFunction] = None
    """The function to call, on type `function`."""

    @property
    def name(self) -> str:
        """The tool's name; empty for types that have none."""
        return self.function.name if self.function else self._beside_id("name")

    @property
    def arguments(self) -> str:
        """The arguments as JSON text; empty for types that have none."""
        return self.function.arguments if self.function else self._beside_id("arguments")

    def _beside_id(self, field: str) -> str:
        value = _as_text((self.model_extra or {}).get(field))
        return value if isinstance(value, str) else ""
