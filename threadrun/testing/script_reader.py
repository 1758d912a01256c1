"""Read a script of the run server's model; the language stands in `threadrun.testing.script`.

text      = directive { (";" | newline) directive }
directive = [ "then" ] keyword rest
"""

from __future__ import annotations

import re
from collections.abc import Callable

from threadrun.status import RunStatus
from threadrun.testing.script import Act, Call, End, Move, Say, Script, ToolRequest, failure, reply_to
from threadrun.testing.script_scanner import Scanner, ScriptError

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REFERENCE = re.compile(r"\$(\$|[1-9][0-9]*)")
_KEYWORDS = frozenset(
    {"then", "think", "call", "mcp", "serve", "say", "end", "queue", "cancel_takes", "ignore"}
)


def read_script(text: str) -> Script:
    """Read what the model is to do; never fails: a broken script is one whose run fails and says why."""
    scanner = Scanner(text)
    if not scanner.next_directive() or scanner.peek_word() not in _KEYWORDS:
        return reply_to(text)
    try:
        return parse_script(text)
    except ScriptError as error:
        return failure(f"The script cannot be read: {error}")


def parse_script(text: str) -> Script:
    """Parse a script strictly.

    Raises:
        ScriptError: with the number of the directive and what is wrong with it.
    """
    return _Reader(text).script()


def fill(template: str, outputs: tuple[str, ...]) -> str:
    """Put tool outputs into the template of a `say`."""

    def value(match: re.Match[str]) -> str:
        reference = match.group(1)
        return "$" if reference == "$" else outputs[int(reference) - 1]

    return _REFERENCE.sub(value, template)


class _Reader:
    """Read directive after directive, and remember what the next one needs to know."""

    def __init__(self, text: str) -> None:
        self._scanner = Scanner(text)
        self._moves: list[Move] = []
        self._think: float | None = None
        self._picked_up = True
        self._outputs = 0
        self._queue_seconds: float | None = None
        self._cancel_seconds: float | None = None
        self._ignores_cancel = False

    def script(self) -> Script:
        """Read the whole text."""
        while self._scanner.next_directive():
            if self._ended():
                raise self._scanner.error("nothing may follow `end`")
            self._directive()
        if not self._ended():
            self._move(End())
        return Script(tuple(self._moves), self._queue_seconds, self._cancel_seconds, self._ignores_cancel)

    def _directive(self) -> None:
        keyword = self._scanner.word("a directive")
        if keyword == "then":
            keyword = self._scanner.word("a directive after `then`")
        if keyword not in _KEYWORDS or keyword == "then":
            raise self._scanner.error(f"unknown word {keyword!r}; known are {', '.join(sorted(_KEYWORDS))}")
        read: Callable[[], None] = getattr(self, f"_read_{keyword}")
        read()
        if extra := self._scanner.rest():
            raise self._scanner.error(f"{extra!r} is too much after `{keyword}`")

    def _ended(self) -> bool:
        return bool(self._moves) and isinstance(self._moves[-1].act, End)

    def _move(self, act: Act) -> None:
        think = self._think if self._think is not None or self._picked_up else 0.0
        self._moves.append(Move(act, think))
        self._think = None
        self._picked_up = isinstance(act, Call)

    def _read_think(self) -> None:
        self._think = (self._think or 0.0) + self._scanner.seconds()

    def _read_queue(self) -> None:
        self._queue_seconds = self._scanner.seconds()

    def _read_cancel_takes(self) -> None:
        self._cancel_seconds = self._scanner.seconds()

    def _read_ignore(self) -> None:
        if self._scanner.word("`cancel`") != "cancel":
            raise self._scanner.error("only `ignore cancel` is known")
        self._ignores_cancel = True

    def _read_call(self) -> None:
        self._call("function")

    def _read_mcp(self) -> None:
        self._call("mcp")

    def _read_serve(self) -> None:
        self._call(self._scanner.word("the kind of tool"))

    def _call(self, kind: str) -> None:
        tools = [self._tool(kind)]
        while self._scanner.peek_word() == "and":
            self._scanner.word("`and`")
            tools.append(self._tool(kind))
        self._move(Call(tuple(tools), kind))
        self._outputs = len(tools)

    def _tool(self, kind: str) -> ToolRequest:
        label = self._scanner.word("the MCP server's label") if kind == "mcp" else ""
        name = self._scanner.word("a tool's name")
        if not _TOOL_NAME.fullmatch(name):
            raise self._scanner.error(f"{name!r} is no tool name (letters, digits, _ and -, 64 at most)")
        if self._scanner.peek_character() not in ("{", '"'):
            return ToolRequest(name, "{}", label)
        value, written = self._scanner.json(f"the arguments of {name}")
        return ToolRequest(name, value if isinstance(value, str) else written, label)

    def _read_say(self) -> None:
        if self._scanner.peek_character() == '"':
            template = str(self._scanner.json("the text of `say`")[0])
        else:
            template = self._scanner.rest()
        if not template:
            raise self._scanner.error("`say` needs a text")
        self._check_references(template)
        self._move(Say(template))

    def _check_references(self, template: str) -> None:
        for reference in _REFERENCE.findall(template):
            if reference != "$" and int(reference) > self._outputs:
                raise self._scanner.error(
                    f"${reference} is no output of the last call ({self._outputs}); write $$ for a dollar"
                )

    def _read_end(self) -> None:
        match self._scanner.word("how to end"):
            case "completed":
                self._move(End())
            case "expired":
                self._move(End(RunStatus.EXPIRED))
            case "failed":
                code = self._optional_word("server_error")
                self._move(End(RunStatus.FAILED, code, self._scanner.rest() or "The run failed."))
            case "incomplete":
                self._move(End(RunStatus.INCOMPLETE, self._optional_word("max_completion_tokens")))
            case other:
                raise self._scanner.error(
                    f"{other!r} is no end; known are completed, failed, incomplete and expired"
                )

    def _optional_word(self, default: str) -> str:
        return self._scanner.word("a word") if self._scanner.peek_word() else default
