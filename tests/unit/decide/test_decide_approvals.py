"""MCP tools that want an approval: the policy's word settles them, or a tool is asked; nothing else is yes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadrun.models import Run
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, Stage
from worker.decide import decide
from worker.decide.calls import fingerprint, ours
from worker.decide.decision import Move, NewCall
from worker.decide.rules import Rules
from worker.decide.seen import RunSeen, ToolSpec
from worker.providers.base import Yes
from worker.view import RunView

NOW = 1_000_000
RUN = RunView(
    "k", "default", Stage.POLL, 1, 1, "", NOW, NOW + 600_000, thread_id="t", run_id="r", status="in_progress"
)
ASK = {"ask": ToolSpec("tools", 30.0, False)}


def waiting(*calls: dict[str, Any], kind: str = "submit_tool_approval") -> Run:
    action = {"type": kind, kind: {"tool_calls": list(calls)}}
    return Run.from_wire({"id": "r", "status": "requires_action", "required_action": action})


def mcp(tool: str, label: Any = "docs") -> dict[str, Any]:
    return {"id": f"call_{tool}", "type": "mcp", "name": tool, "arguments": '{"q":1}', "server_label": label}


def opened(shown: Run, policy: dict[str, str], tools: dict[str, ToolSpec] | None = None) -> Move:
    seen = RunSeen(Yes(shown, ProviderAnswer(200)), tools or {}, policies=(policy,))
    decision = decide(RUN, seen, NOW, Rules())
    assert isinstance(decision, Move)
    return decision


@pytest.mark.parametrize(
    ("policy", "kind", "output", "event"),
    [
        ({"*": "always"}, "approved", "true", "tool.approved"),
        ({"*": "never"}, "denied", "false", "tool.denied"),
        ({}, "denied", "false", "tool.denied"),
        ({"*": "nobody_serves_this"}, "missing_tool", "false", "tool.refused"),
    ],
)
def test_a_policys_word_settles_a_call_at_once(
    policy: dict[str, str], kind: str, output: str, event: str
) -> None:
    move = opened(waiting(mcp("search")), policy)
    (row,) = move.changes.opened

    assert (move.stage, row.state, row.kind, row.output) == (Stage.SUBMIT, CallState.SETTLED, kind, output)
    assert (row.type, row.tool) == ("mcp", "search")
    assert json.loads(row.arguments) == {"server_label": "docs", "tool": "search", "arguments": '{"q":1}'}
    assert event in [one.type for one in move.changes.events]


def test_a_named_tool_is_asked_and_the_others_are_settled_beside_it() -> None:
    move = opened(waiting(mcp("search"), mcp("delete")), {"docs/delete": "ask", "*": "always"}, ASK)
    search, delete = move.changes.opened

    assert move.stage is Stage.TOOLS
    assert (search.kind, delete.state, delete.tool) == ("approved", CallState.PENDING, "ask")
    assert [call.index for call in move.changes.sent] == [1]
    assert move.changes.sent[0].type == "mcp"


def test_a_label_that_is_no_text_is_not_taken_for_one() -> None:
    (row,) = opened(waiting(mcp("search", label=7)), {"7": "always"}).changes.opened
    assert row.kind == "denied"


def test_an_mcp_call_that_wants_no_approval_is_the_providers_own() -> None:
    shown = waiting(mcp("search"), kind="submit_tool_outputs")
    assert ours(shown) == ()
    assert ours(waiting(mcp("search"))) != ()
    assert fingerprint(shown) != fingerprint(waiting(mcp("search")))


def test_a_row_of_a_function_is_no_approval() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    (row,) = opened(waiting(call, kind="submit_tool_outputs"), {"*": "always"}).changes.opened
    assert isinstance(row, NewCall)
    assert (row.type, row.kind) == ("function", "missing_tool")
