"""The tools that a run may use."""

from __future__ import annotations

from typing import Any, ClassVar

from threadrun.models.kinded import KindedModel
from threadrun.models.tolerant import Number, Tolerant, TolerantText
from threadrun.models.wire import WireModel


class ToolDefinition(KindedModel):
    """Describe a tool (AssistantTool, Azure's ToolDefinition); an unknown kind is read as this class.

    A run lists at most 20 tools, an assistant 128.
    """


class CodeInterpreterToolDefinition(ToolDefinition):
    """Let the model run Python at the provider; its files are in the run's `tool_resources`."""

    kinds: ClassVar = ("code_interpreter",)
    type: TolerantText = "code_interpreter"
    """Always code_interpreter."""


class RankingOptions(WireModel):
    """Choose how found chunks are ranked (FileSearchRankingOptions)."""

    ranker: Tolerant[str] = None
    """auto or default_2024_08_21."""
    score_threshold: Tolerant[Number] = None
    """0 to 1; lower scores are left out."""


class FileSearchOptions(WireModel):
    """Tune the file search; absent: the provider's defaults."""

    max_num_results: Tolerant[int] = None
    """1 to 50."""
    ranking_options: Tolerant[RankingOptions] = None
    """How results are ranked."""


class FileSearchToolDefinition(ToolDefinition):
    """Let the model search vector stores; which, is in the run's `tool_resources`."""

    kinds: ClassVar = ("file_search",)
    type: TolerantText = "file_search"
    """Always file_search."""
    file_search: Tolerant[FileSearchOptions] = None
    """Null or absent: the defaults."""


class FunctionDefinition(WireModel):
    """Describe a function of ours to the model (FunctionObject)."""

    name: TolerantText = ""
    """1 to 64 characters of A-Z, a-z, 0-9, _ and -."""
    description: Tolerant[str] = None
    """What it does; the model reads it."""
    parameters: Tolerant[dict[str, Any]] = None
    """A JSON Schema of its arguments; none: it takes none."""
    strict: Tolerant[bool] = None
    """Whether the model is held to the schema exactly."""


class FunctionToolDefinition(ToolDefinition):
    """Let the model ask us to call a function; the run then requires action."""

    kinds: ClassVar = ("function",)
    type: TolerantText = "function"
    """Always function."""
    function: Tolerant[FunctionDefinition] = None
    """The function."""
