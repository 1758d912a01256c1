"""Decide about required tool calls: which are ours, what a new round looks like, when its calls are sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

from threadrun.models import RequiredToolCall, Run
from threadrun.status import CallState, Outcome, Stage
from threadrun.tools import ToolResultKind, error_result
from worker.decide.approvals import MCP, approval, wants_approvals
from worker.decide.decision import Changes, Decision, Event, Move, NewCall
from worker.decide.ending import to_cancel
from worker.decide.repeats import asked_again, same_call
from worker.decide.rules import Rules
from worker.decide.seen import RunSeen, ToolSpec
from worker.replace import replace
from worker.view import CallView, Progress, RunView

MAX_NAME_CHARACTERS = 64
"""The wire's longest tool name; a model may make up longer ones, which are cut: nobody serves them."""

_SERVER_SIDE = frozenset({"azure_function", MCP})
"""Kinds that the provider runs itself; it may want an approval for `mcp` first."""


def ours(shown: Run) -> tuple[RequiredToolCall, ...]:
    """Give the required calls that want a tool output, or an approval, from us."""
    if wants_approvals(shown):
        return tuple(call for call in shown.required_calls if call.type == MCP)
    return tuple(call for call in shown.required_calls if call.type not in _SERVER_SIDE)


def fingerprint(shown: Run) -> str:
    """Identify a required action by everything in it, a word a call, for ids can repeat or be empty."""
    calls = ([call.id, call.type, call.name, call.arguments] for call in ours(shown))
    return " ".join(hashlib.sha256(json.dumps(call).encode()).hexdigest()[:16] for call in calls)


def places_asked(signature: str, shown: Run) -> tuple[int, ...]:
    """Give the place in the round of that signature of each call that is shown; none: it is another action.

    A round may be asked for in part: another client has answered some of its calls, or the provider took some of our
    outputs.
    """
    free: dict[str, list[int]] = {}
    for place, word in enumerate(signature.split()):
        free.setdefault(word, []).insert(0, place)
    words = fingerprint(shown).split()
    found = [free[word].pop() for word in words if free.get(word)]
    return tuple(found) if len(found) == len(words) else ()


def narrowed(progress: Progress, places: Sequence[int]) -> Progress:
    """Note which calls of the round are still asked for; a picture that shows more of them than before is old."""
    every = range(len(progress.signature.split()))
    left = {place for place in progress.wanted or every if place in places} or set(places)
    return progress if len(left) == len(every) else replace(progress, wanted=tuple(sorted(left)))


def open_round(run: RunView, shown: Run, seen: RunSeen, changes: Changes, now: int, rules: Rules) -> Decision:
    """Open the ledger rows of a new round and send its calls; a call that nobody serves is answered at once."""
    required = ours(shown)
    number = run.round + 1
    asked = asked_again(seen.asked, required)
    if reason := _beyond_limits(run, required, asked, rules):
        return to_cancel(run, changes, reason, Outcome.FAILED, now)
    tools = seen.tools or {}
    rows = tuple(_new_call(run, seen, tools, index, call, rules) for index, call in enumerate(required))
    pending = tuple(_as_sent(row, now) for row in rows if row.state is CallState.PENDING)
    expiry = changes.progress.expires_ms
    until = min(run.deadline_ms, expiry - rules.expiry_margin_ms) if expiry else run.deadline_ms
    progress = replace(
        changes.progress,
        signature=fingerprint(shown),
        wanted=(),
        submitted_ms=0,
        repeats=0,
        refusals=0,
        looked_ms=now,
        left_ms=0,
        intent=None,
    )
    # A name that is neither served nor the caller's was made up by the model, and events hold no content.
    known = tools.keys() | set(run.tool_names.split(","))
    answered = [_answered(number, row, known) for row in rows if row.kind]
    opened = Event("run.requires_action", {"round": number, "calls": len(rows)})
    changes = replace(
        changes,
        progress=progress,
        opened=rows,
        sent=pending,
        asked=asked,
        tools_until_ms=until,
    ).adding(opened, *answered)
    if not pending:
        return Move(Stage.SUBMIT, 0, changes)
    return Move(
        Stage.TOOLS, next_look_ms(replace(run, progress=progress, calls=pending), now, rules), changes
    )


_ANSWERED = {"approved": "tool.approved", "denied": "tool.denied"}


def _answered(round_: int, row: NewCall, known: Collection[str]) -> Event:
    named = {"tool": row.tool} if row.tool in known else {}
    data = {"round": round_, "index": row.index, **named, "kind": row.kind}
    return Event(_ANSWERED.get(row.kind, "tool.refused"), data)


def _beyond_limits(
    run: RunView, required: Sequence[RequiredToolCall], asked: Mapping[str, int], rules: Rules
) -> str:
    """Name the limit that a new round would pass; empty: none."""
    total = run.total_calls + len(required)
    if run.round >= rules.max_rounds or len(required) > rules.max_calls or total > rules.max_total_calls:
        return "too_many_tool_calls"
    if any(asked[same_call(call)] > rules.max_same_calls for call in required):
        return "same_call_repeated"
    return ""


def _new_call(
    run: RunView,
    seen: RunSeen,
    tools: Mapping[str, ToolSpec],
    index: int,
    call: RequiredToolCall,
    rules: Rules,
) -> NewCall:
    name, kind_of_call = call.name[:MAX_NAME_CHARACTERS], call.type[:MAX_NAME_CHARACTERS]
    row = NewCall(index, call.id, kind_of_call, name, call.arguments, CallState.PENDING)
    if too_long(call.arguments, rules.max_arguments_bytes):
        told = error_result(ToolResultKind.INVALID_ARGUMENTS, _TOO_LONG.format(rules.max_arguments_bytes))
        return replace(row, arguments="", state=CallState.SETTLED, kind=told.kind.value, output=told.output)
    if call.type == MCP:
        return approval(row, call, seen.policies, tools)
    allowed = run.tool_names == "*" or call.name in run.tool_names.split(",")
    spec = tools.get(call.name) if allowed and call.type == "function" else None
    if spec is None:
        kind = ToolResultKind.MISSING_TOOL
        return replace(row, state=CallState.SETTLED, kind=kind.value, output=answer_for(kind))
    return replace(
        row,
        queue=spec.queue,
        timeout_seconds=spec.timeout_seconds,
        idempotent=spec.idempotent,
        on_unknown=spec.on_unknown,
    )


def too_long(text: str, limit_bytes: int) -> bool:
    """Tell whether a text is longer than so many bytes, without copying one that obviously is."""
    return len(text) > limit_bytes or len(text.encode("utf-8", "replace")) > limit_bytes


_TOO_LONG = "The arguments are longer than {} bytes. Shorten them and call it again."

_ANSWERS = {
    ToolResultKind.MISSING_TOOL: "This tool is not available in this run. Do not call it again.",
    ToolResultKind.CANCELLED: "The run was cancelled.",
    ToolResultKind.ANSWERED_ELSEWHERE: "Another client has answered this call.",
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
        type=row.type,
        sends=1,
        sent_ms=now,
        queue=row.queue,
        timeout_seconds=row.timeout_seconds,
        idempotent=row.idempotent,
        on_unknown=row.on_unknown,
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
