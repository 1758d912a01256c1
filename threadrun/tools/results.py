"""How a tool call ended: what the model gets, and what we keep for the log and the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from threadrun.errors import Problem


class ToolResultKind(StrEnum):
    """Name how a tool call ended."""

    OK = "ok"
    """The handler returned, and its value was serialised."""
    TOOL_ERROR = "tool_error"
    """The handler raised `ToolError`; the model reads its text."""
    INVALID_ARGUMENTS = "invalid_arguments"
    """The arguments do not fit; the handler was not entered."""
    EXCEPTION = "exception"
    """The handler raised anything else; the model reads a reference, the record has the traceback."""
    TIMEOUT = "timeout"
    """The deadline passed; the handler was interrupted, or not entered at all."""
    UNSERIALISABLE = "unserialisable"
    """The handler returned what JSON cannot say; its side effects have happened."""
    MISSING_TOOL = "missing_tool"
    """The model named a tool that is not offered; nothing was run."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The worker died in a handler that is not to be run again; whether it had its effect is not known."""
    APPROVED = "approved"
    """The policy lets the provider run an MCP server's tool."""
    DENIED = "denied"
    """The policy does not."""
    RESOLVED = "resolved"
    """A person gave the output of a call whose outcome was unknown."""
    CANCELLED = "cancelled"
    """The run was cancelled before the call was settled."""
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    """The provider has an output of another client before a handler began; it is sent none of ours."""
    EXPIRED = "expired"
    """The run was about to expire at the provider before the call was settled."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Hold the end of a tool call.

    An output is serialised once and never parsed back: whoever carries it treats it as opaque text.
    """

    output: str
    """What the model gets. A string as the handler returned it; any other value as JSON (None: `null`, for an
    empty output could not be told from a missing one). Every kind but `ok`: JSON of the form
    `{"error": {"kind": …, "message": …}}`, with `reference` for kinds `exception` and `unserialisable`, and
    `problems: [{"path": …, "message": …}]` for `invalid_arguments`. What is longer than the tool's
    `max_output_bytes` is cut there and ends with a marker."""
    kind: ToolResultKind = ToolResultKind.OK
    """How the call ended."""
    error: str | None = None
    """What went wrong, whole, for the record: the traceback without local variables, where there is one. It can
    quote users and models; neither the model nor a log gets it."""
    reference: str | None = None
    """What the model was told instead of the error; find the error by it."""
    cut_bytes: int = 0
    """How many bytes of the output were cut away."""
    places: str | None = None
    """Where it went wrong, for the log: the kinds of the exceptions and their lines, without what they said."""

    @property
    def is_error(self) -> bool:
        """Tell whether the call ended in anything but a value."""
        return self.kind is not ToolResultKind.OK


def error_result(
    kind: ToolResultKind,
    message: str,
    *,
    error: str | None = None,
    reference: str | None = None,
    problems: Sequence[Problem] = (),
) -> ToolResult:
    """Build the result of a call that gave no value, in the one form that the model learns to read.

    Args:
        kind: how the call ended; any kind but `ok`.
        message: what the model may read.
        error: the whole story for log and record; none: the message.
        reference: what the model can name when it reports the failure.
        problems: what is wrong with the arguments, each with its path.
    """
    told: dict[str, object] = {"kind": kind.value, "message": message}
    if reference is not None:
        told["reference"] = reference
    if problems:
        told["problems"] = [{"path": problem.path, "message": problem.message} for problem in problems]
    output = json.dumps({"error": told}, ensure_ascii=False)
    return ToolResult(storable(output), kind, storable(message if error is None else error), reference)


def storable(text: str) -> str:
    """Replace what UTF-8 cannot carry (lone surrogates) by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
