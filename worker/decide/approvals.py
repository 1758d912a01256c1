"""Decide who approves the MCP tools that a run asks about: a policy's word, or a registered tool that is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from threadrun.mcp_approvals import ALWAYS, NEVER, verdict
from threadrun.models import RequiredToolCall, Run
from threadrun.status import CallState
from threadrun.tools import ToolResultKind
from worker.decide.decision import NewCall
from worker.decide.seen import Policies, ToolSpec
from worker.replace import replace

MCP = "mcp"
"""The kind of tool call that wants an approval in place of an output (recorded replies of Azure)."""

APPROVED, DENIED = "true", "false"
"""The output of a call that wants an approval; whatever else an approver says is no."""


def wants_approvals(shown: Run) -> bool:
    """Tell whether the run's required action wants approvals."""
    return shown.required_action is not None and shown.required_action.type == "submit_tool_approval"


def approval(
    row: NewCall, call: RequiredToolCall, policies: Policies, tools: Mapping[str, ToolSpec]
) -> NewCall:
    """Make the ledger row of one call: settled by the policy's word, or sent to the tool that the policy names.

    Its arguments are what an approver is given. Nobody to ask means no: nothing is approved for want of an answer.
    """
    label = call.payload.get("server_label")
    asked = {
        "server_label": label if isinstance(label, str) else "",
        "tool": call.name,
        "arguments": call.arguments,
    }
    word = verdict(policies, asked["server_label"], call.name)
    row = replace(row, arguments=json.dumps(asked))
    if word == ALWAYS:
        return replace(row, state=CallState.SETTLED, kind=ToolResultKind.APPROVED.value, output=APPROVED)
    spec = tools.get(word)
    if word == NEVER or spec is None:
        kind = ToolResultKind.DENIED if word == NEVER else ToolResultKind.MISSING_TOOL
        return replace(row, state=CallState.SETTLED, kind=kind.value, output=DENIED)
    return replace(
        row, tool=word, queue=spec.queue, timeout_seconds=spec.timeout_seconds, idempotent=spec.idempotent
    )
