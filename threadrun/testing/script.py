"""The little language that tells the run server's model what to do.

The model reads the last user message of the thread (or the run's metadata `script`). A text whose first word
is one of the words below is a script; any other text gets the reply `You said: …`. Words are lower case;
directives stand one a line, or are separated by `;`:

    think 0.2                                think so many seconds before the next directive
    call get_weather {"city": "Oslo"}        ask for one tool; no arguments means {}
    call a {"n": 1} and b {} and a {"n": 2}  ask for several at once
    mcp docs search {"q": 1} and docs list   want approvals of an MCP server's tools; $1 is `approved` or `denied`
    serve azure_function f {"q": 1}          the provider runs this tool itself; the run requires_action meanwhile
    serve connected_agent helper {}          as above, in_progress meanwhile; the step names the child's run and thread
    then call b {}                           `then` may stand before any directive; it only reads well
    say It is $1 in Oslo.                    write; $1 is the first output of the last call, $$ a dollar
    say "with ; and\\nlines"                  a JSON string, for texts that a line cannot hold
    end completed                            how to end; this is the default
    end failed rate_limit_exceeded Later.    a code and a message
    end incomplete max_completion_tokens     a reason
    end expired                              expire now, not when the time is up
    queue 0.3                                stay queued so long, each time
    cancel_takes 2                           stay cancelling so long
    ignore cancel                            a cancel while the model works comes too late

Each time the model picks the run up (first, and after tool outputs) it thinks for the server's
`think_seconds`, unless a `think` stands there. Arguments may be a JSON string instead of an object: its
content is sent as it is, for models that write broken JSON. A script that cannot be read fails its run with
`invalid_prompt` and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from threadrun.status import RunStatus


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """Ask for one tool."""

    name: str
    """The tool's name."""
    arguments: str
    """Its arguments, as the text that the model wrote."""
    server_label: str = ""
    """The MCP server that has it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Ask for tools and wait for all their outputs."""

    tools: tuple[ToolRequest, ...]
    """Those asked for in one required action."""
    kind: str = "function"
    """`function`; `mcp`, which wants approvals; or a kind that the provider runs itself."""

    @property
    def served(self) -> bool:
        """Whether the provider runs it itself."""
        return self.kind not in {"function", "mcp"}


@dataclass(frozen=True, slots=True)
class Say:
    """Write a message."""

    template: str
    """The text, with `$1` for the first output of the last call and `$$` for a dollar."""


@dataclass(frozen=True, slots=True)
class End:
    """End the run."""

    status: RunStatus = RunStatus.COMPLETED
    """The terminal status."""
    code: str | None = None
    """`last_error.code` of a failed run, or the reason of an incomplete one."""
    message: str = ""
    """`last_error.message` of a failed run."""


Act: TypeAlias = Call | Say | End


@dataclass(frozen=True, slots=True)
class Move:
    """Think, then act."""

    act: Act
    """What the model does."""
    think_seconds: float | None
    """How long it thinks before; none: the server's default."""


@dataclass(frozen=True, slots=True)
class Script:
    """Hold what the model does with one run; the last move is an `End`."""

    moves: tuple[Move, ...]
    """In order."""
    queue_seconds: float | None = None
    """How long the run stays queued; none: the server's default."""
    cancel_seconds: float | None = None
    """How long it stays cancelling; none: the server's default."""
    ignores_cancel: bool = False
    """A cancel comes too late, unless the run waits for outputs."""


def reply_to(text: str) -> Script:
    """Make the script of a text that is none."""
    template = f"You said: {text}".replace("$", "$$")
    return Script((Move(Say(template), None), Move(End(), 0.0)))


def failure(message: str) -> Script:
    """Make the script of a run that fails because its script cannot be read."""
    return Script((Move(End(RunStatus.FAILED, "invalid_prompt", message), None),))
