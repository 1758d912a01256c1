"""Check every record of the demo in depth: against its case, against itself, and against the run server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from demo_cases import Case

from threadrun import RunRecord
from threadrun.models import FunctionToolCall, Usage
from threadrun.status import CallState, Stage
from threadrun.testing import RunServerControl
from threadrun.testing.effects import Effect

Problem = tuple[str, Any, Any]
"""What differs, what was expected, and what is there."""


def problems_of(case: Case, record: RunRecord, control: RunServerControl) -> list[Problem]:
    """List everything about a record that is not as it must be."""
    effects = control.effects(run_key=case.key)
    facts = [
        *_ending(case, record),
        *_calls(case, record),
        *_whole(record),
        *_at_the_server(record, effects),
    ]
    return [fact for fact in facts if fact[1] != fact[2]] + list(_texts(case, record))


def _ending(case: Case, record: RunRecord) -> Iterator[Problem]:
    yield "outcome", case.outcome, record.outcome
    yield "status", case.status, record.status
    yield "steps", case.steps, len(record.steps)
    yield (
        "steps in order",
        sorted(step.created_at or 0 for step in record.steps),
        [step.created_at for step in record.steps],
    )
    yield "cancel requested", case.cancel, record.cancel_requested_at is not None
    waited = case.on_thread_of is not None and record.run_id is None
    answered = record.last_answer.http_status if record.last_answer else None
    yield "last answer", None if waited else case.http_status, answered
    if record.run is not None:
        details, error = record.run.incomplete_details, record.run.last_error
        yield "code", case.code, (details.reason if details else None) or (error.code if error else None)


def _calls(case: Case, record: RunRecord) -> Iterator[Problem]:
    yield "tool calls", case.calls, tuple((call.kind, call.attempts) for call in record.tool_calls)
    for call in record.tool_calls:
        place = f"call {call.round}.{call.index}"
        yield f"{place} state", CallState.SUBMITTED, call.state
        yield f"{place} has an output", True, bool(call.output)
        yield f"{place} keeps its error", call.kind not in ("ok", "missing_tool"), call.error is not None
    told = [
        (call.id, call.function.output)
        for step in record.steps
        for call in step.tool_calls
        if isinstance(call, FunctionToolCall) and call.function
    ]
    yield "outputs at the provider", [(call.tool_call_id, call.output) for call in record.tool_calls], told


def _whole(record: RunRecord) -> Iterator[Problem]:
    yield "stage", Stage.DONE, record.stage
    yield "missing", (), record.missing
    yield "confirmed", False, record.unconfirmed
    yield "seq", list(range(1, len(record.transitions) + 1)), [event.seq for event in record.transitions]
    times = [event.at for event in record.transitions]
    yield "events in order", sorted(times), times
    names = [event.type for event in record.transitions]
    yield "first and last event", ("run.enqueued", "run.finished"), (names[0], names[-1])
    yield "finished once", 1, names.count("run.finished")
    yield "usage", _counts(Usage.sum(step.usage for step in record.steps)), _counts(record.usage)
    yield "has its run", record.run_id, record.run.id if record.run else None
    at_provider = record.run.metadata.get("threadrun_key") if record.run else None
    yield "run key at the provider", record.key if record.run_id else None, at_provider
    yield "in time", True, record.created_at <= (record.finished_at or record.created_at)


def _counts(usage: Usage | None) -> tuple[int, int, int]:
    # A run that came to no step has used nothing, whether the provider says zero or null.
    return (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) if usage else (0, 0, 0)


def _at_the_server(record: RunRecord, effects: list[Effect]) -> Iterator[Problem]:
    did = [effect.effect for effect in effects]
    created = [effect.run_id for effect in effects if effect.effect == "run.created"]
    yield "created exactly once", [record.run_id] if record.run_id else [], created
    rounds = max((call.round for call in record.tool_calls), default=0)
    yield "submits", rounds, did.count("outputs.accepted")
    yield "polls it did not make", 0, max(0, record.polls - did.count("run.read"))
    yield "requests", len(effects), record.requests


def _texts(case: Case, record: RunRecord) -> Iterator[Problem]:
    if not re.fullmatch(case.text, record.output_text):
        yield "text", case.text, record.output_text
    others = _foreign_words(record)
    if others:
        yield "events without content", [], others


def _foreign_words(record: RunRecord) -> list[str]:
    """Find texts of the user in events, which hold identifiers and numbers only."""
    texts = [message.text for message in record.messages] + [call.arguments for call in record.tool_calls]
    said = [text for text in texts if len(text) > 3]
    values = [str(value) for event in record.transitions for value in _values(event.data)]
    return [text for text in said if any(text in value for value in values)]


def _values(data: Mapping[str, Any]) -> Iterator[Any]:
    for value in data.values():
        if isinstance(value, Mapping):
            yield from _values(value)
        else:
            yield value
