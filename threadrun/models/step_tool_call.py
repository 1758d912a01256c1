"""The tool calls that a run step lists: done ones, and those whose outputs are still wanted."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from threadrun.models.kinded import KindedModel
from threadrun.models.required_tool_call import ArgumentsText
from threadrun.models.tolerant import Number, Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.tool_definition import RankingOptions
from threadrun.models.wire import WireModel


class StepToolCall(KindedModel):
    """Record one tool call of a step; an unknown kind is read as this class, its content in `payload`."""

    id: TolerantText = ""
    """The call's id, as in the required action; empty on some servers."""


class StepFunction(WireModel):
    """Record a function call (RunStepDetailsToolCallsFunctionObject's `function`)."""

    name: TolerantText = ""
    """The tool's name."""
    arguments: ArgumentsText = ""
    """JSON text as the model wrote it."""
    output: Tolerant[str] = None
    """What was submitted; null until then, so a run that requires action lists it with null."""


class FunctionToolCall(StepToolCall):
    """Record a call of a function of ours."""

    kinds: ClassVar = ("function",)
    type: TolerantText = "function"
    """Always function."""
    function: Tolerant[StepFunction] = None
    """The function and its output."""


class CodeOutput(KindedModel):
    """Record one output of the code interpreter: `logs`, or `image`, a file."""

    logs: Tolerant[str] = None
    """What the code printed, on type logs."""
    image: Tolerant[dict[str, Any]] = None
    """`{"file_id": …}`, on type image."""


class CodeInterpreter(WireModel):
    """Record a run of Python at the provider."""

    input: TolerantText = ""
    """The code."""
    outputs: TolerantTuple[CodeOutput] = ()
    """What came of it, in order."""


class CodeInterpreterToolCall(StepToolCall):
    """Record a call of the code interpreter."""

    kinds: ClassVar = ("code_interpreter",)
    type: TolerantText = "code_interpreter"
    """Always code_interpreter."""
    code_interpreter: Tolerant[CodeInterpreter] = None
    """The code and its outputs."""


class FileSearchResult(WireModel):
    """Record one chunk that a file search found."""

    file_id: TolerantText = ""
    """The file."""
    file_name: TolerantText = ""
    """Its name."""
    score: Tolerant[Number] = None
    """0 to 1."""
    attributes: TolerantObject = Field(default_factory=dict)
    """The file's attributes; recorded at OpenAI, absent from its published schema."""
    content: TolerantTuple[dict[str, Any]] = ()
    """`{"type": "text", "text": …}` each; sent only where the request included it."""


class FileSearch(WireModel):
    """Record a search of vector stores; early replies have an empty object."""

    ranking_options: Tolerant[RankingOptions] = None
    """How it ranked."""
    results: TolerantTuple[FileSearchResult] = ()
    """What it found."""


class FileSearchToolCall(StepToolCall):
    """Record a file search."""

    kinds: ClassVar = ("file_search",)
    type: TolerantText = "file_search"
    """Always file_search."""
    file_search: Tolerant[FileSearch] = None
    """The search."""
