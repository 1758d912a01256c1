"""Decide about required tool calls: which are ours, what a new round looks like, when its calls are sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from threadrun.models import RequiredToolCall, Run
from threadrun.status import CallState, Outcome, Stage
from threadrun.tools import ToolResultKind, error_result
from worker.decide.decision import Changes, Decision, Event, Move, NewCall
from worker.decide.ending import to_cancel
from worker.decide.rules import Rules
from worker.decide.seen import ToolSpec
from worker.view import CallView, RunView

_SERVER_SIDE = frozenset({"azure_function", "mcp"})
"""Kinds that the server resolves, or that wait for an approval: nothing for a handler."""


def ours(shown: Run) -> tuple[RequiredToolCall, ...]:
    """Give the required calls that want a tool output from us."""
    return tuple(call for call in shown.required_calls if call.type not in _SERVER_SIDE)


def fingerprint(shown: Run) -> str:
    """Identify a required action by everything in it, for ids can repeat or be empty."""
    calls = [[call.id, call.type, call.name, call.arguments] for call in ours(shown)]
    return hashlib.sha256(json.dumps(calls).encode()).hexdigest()[:32]


def open_round(
    run: RunView, shown: Run, tools: Mapping[str, ToolSpec], changes: Changes, now: int, rules: Rules
) -> Decision:
    """Open the ledger rows of a new round and send its calls; a call that nobody serves is answered at once."""
    required = ours(shown)
    number = run.round + 1
    if number > rules.max_rounds or len(required) > rules.max_calls:
        return to_cancel(run, changes, "too_many_tool_calls", Outcome.FAILED, now)
    rows = tuple(_new_call(run, tools, index, call) for index, call in enumerate(required))
    pending = tuple(_as_sent(row, now) for row in rows if row.state is CallState.PENDING)
    expiry = changes.progress.expires_ms
    until = min(run.deadline_ms, expiry - rules.expiry_margin_ms) if expiry else run.deadline_ms
    progress = replace(
        changes.progress,
        signature=fingerprint(shown),
        submitted_ms=0,
        refusals=0,
        looked_ms=now,
        left_ms=0,
        intent=None,
    )
    refused = [
        Event("tool.refused", {"round": number, "index": r.index, "kind": r.kind}) for r in rows if r.kind
    ]
    opened = Event("run.requires_action", {"round": number, "calls": len(rows)})
    changes = replace(
        changes,
        progress=progress,
        opened=rows,
        sent=pending,
        tools_until_ms=until,
    ).adding(opened, *refused)
    if not pending:
        return Move(Stage.SUBMIT, 0, changes)
    return Move(
        Stage.TOOLS, next_look_ms(replace(run, progress=progress, calls=pending), now, rules), changes
    )


def _new_call(run: RunView, tools: Mapping[str, ToolSpec], index: int, call: RequiredToolCall) -> NewCall:
    row = NewCall(index, call.id, call.type, call.name, call.arguments, CallState.PENDING)
    allowed = run.tool_names == "*" or call.name in run.tool_names.split(",")
    spec = tools.get(call.name) if allowed and call.type == "function" else None
    if spec is None:
        kind = ToolResultKind.MISSING_TOOL
        return replace(row, state=CallState.SETTLED, kind=kind.value, output=answer_for(kind))
    return replace(row, queue=spec.queue, timeout_seconds=spec.timeout_seconds, idempotent=spec.idempotent)


_ANSWERS = {
    ToolResultKind.MISSING_TOOL: "This tool is not available in this run. Do not call it again.",
    ToolResultKind.CANCELLED: "The run was cancelled.",
    ToolResultKind.EXPIRED: "The tool did not finish in time.",
    ToolResultKind.TIMEOUT: "The tool did not finish in time; whether it had an effect is unknown.",
    ToolResultKind.UNKNOWN_OUTCOME: "The tool was interrupted; whether it had an effect is unknown. Assume neither.",
}


def answer_for(kind: ToolResultKind) -> str:
    """Write the output that the model reads when a call is answered in its handler's place."""
    return error_result(kind, _ANSWERS[kind]).output


def _as_sent(row: NewCall, now: int) -> CallView:
    return CallView(
        index=row.index,
        state=CallState.PENDING,
        tool=row.tool,
        tool_call_id=row.tool_call_id,
        sends=1,
        sent_ms=now,
        queue=row.queue,
        timeout_seconds=row.timeout_seconds,
        idempotent=row.idempotent,
    )


def send_time_ms(call: CallView, rules: Rules) -> int:
    """Say when a pending call's message is due: at once, or again after 15, 30, 60 … s."""
    if call.sends == 0:
        return call.not_before_ms
    return max(call.not_before_ms, call.sent_ms + (rules.first_resend_ms << min(call.sends - 1, 10)))


def next_look_ms(run: RunView, now: int, rules: Rules) -> int:
    """Say how soon something can be due for the calls of a round."""
    times = [now + rules.tools_look_ms, run.progress.looked_ms + rules.provider_look_ms]
    times += [send_time_ms(call, rules) for call in run.calls if call.state is CallState.PENDING]
    if run.progress.expires_ms:
        times.append(run.progress.expires_ms - rules.expiry_margin_ms)
    return max(0, min(times) - now)
