"""Spell runs as JSON documents; field names are stable, times are ISO 8601 in UTC, durations in seconds.

What users and models wrote stands in a document only if it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from threadrun.cli.screen import iso
from threadrun.cli.timeline import Row, timeline
from threadrun.cli.waiting_words import waiting_lines
from threadrun.client import CallWait, WaitsFor
from threadrun.records import ProviderAnswer, RunRecord, RunSummary, ToolCallRecord, Transition

Document = dict[str, Any]


def run_document(record: RunRecord, waits: WaitsFor, *, content: bool) -> Document:
    """Spell a whole record, with what it waits for."""
    end = record.finished_at or waits.at
    run = record.run
    return {
        "key": record.key,
        "schema": record.schema,
        "stage": record.stage,
        "status": record.status,
        "outcome": record.outcome,
        "final": record.final,
        "profile": record.profile,
        "assistant_id": record.request.assistant_id,
        "model": run.model if run else None,
        "thread_id": record.thread_id,
        "run_id": record.run_id,
        "created_at": iso(record.created_at),
        "deadline_at": iso(record.deadline_at),
        "finished_at": iso(record.finished_at),
        "elapsed_seconds": round((end - record.created_at).total_seconds(), 3),
        "quarantined_at": iso(record.quarantined_at),
        "cancel_requested_at": iso(record.cancel_requested_at),
        "polls": record.polls,
        "requests": record.requests,
        "usage": usage_document(record),
        "missing": list(record.missing),
        "unconfirmed": record.unconfirmed,
        "incomplete_reason": run.incomplete_details.reason if run and run.incomplete_details else None,
        "last_error_code": run.last_error.code if run and run.last_error else None,
        "last_answer": answer_document(record.last_answer, content=content),
        "waits_for": None if record.final and not waits.tells else waits_document(waits, record.transitions),
        "timeline": [row_document(row, record.created_at) for row in timeline(record, waits.at)],
        "tool_calls": [call_document(call, content=content) for call in record.tool_calls],
        "transitions": [event_document(event) for event in record.transitions],
        **({"content": content_document(record)} if content else {}),
    }


def content_document(record: RunRecord) -> Document:
    """Spell what users and models wrote."""
    return {
        "request": record.request.model_dump(mode="json", exclude_none=True),
        "output_text": record.output_text,
        "messages": [message.to_wire() for message in record.messages],
        "last_error": record.run.last_error.to_wire() if record.run and record.run.last_error else None,
    }


def usage_document(record: RunRecord) -> Document | None:
    """Spell the tokens; none while they are not known."""
    usage = record.usage
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "source": record.usage_source,
    }


def answer_document(answer: ProviderAnswer | None, *, content: bool) -> Document | None:
    """Spell the HTTP side of the provider's last answer."""
    if answer is None:
        return None
    return {
        "http_status": answer.http_status,
        "reason": answer.reason,
        "error": shown_error(answer, content=content),
    }


def shown_error(answer: ProviderAnswer, *, content: bool) -> Mapping[str, str | None] | None:
    """Give the provider's error; its text can quote the request, and, where a key is refused, the key."""
    if answer.error is None or (content and answer.http_status not in {401, 403}):
        return answer.error
    return {**answer.error, "message": None}


def waits_document(waits: WaitsFor, events: Sequence[Transition]) -> Document:
    """Spell what a run waits for."""
    return {
        "text": waiting_lines(waits, events),
        "at": iso(waits.at),
        "next_look_at": iso(waits.next_look_at),
        "in_hand": waits.in_hand,
        "held": waits.held or None,
        "errors": waits.errors,
        "unconfirmed_post": waits.unconfirmed_post or None,
        "profile_served": waits.profile_served,
        "thread_holder": waits.thread_holder,
        "runs_ahead": waits.runs_ahead,
        "calls": [call_wait_document(waits, call) for call in waits.calls],
    }


def call_wait_document(waits: WaitsFor, call: CallWait) -> Document:
    """Spell a call without an output."""
    return {
        "round": call.round,
        "index": call.index,
        "tool": call.tool,
        "state": call.state,
        "attempt": call.attempt,
        "queue": call.queue,
        "sends": call.sends,
        "sent_at": iso(call.sent_at),
        "worker": call.worker or None,
        "worker_alive": waits.is_alive(call.worker_seen_at) if call.worker else None,
        "claimed_at": iso(call.claimed_at),
        "deadline_at": iso(call.deadline_at),
        "tool_served": waits.is_alive(call.tool_seen_at),
    }


def row_document(row: Row, enqueued_at: datetime) -> Document:
    """Spell one row of the timeline; offsets count from the enqueue."""
    return {
        "label": row.label,
        "stage": row.stage,
        "is_call": row.is_call,
        "open": row.open,
        "offset_seconds": round((row.start - enqueued_at).total_seconds(), 3),
        "seconds": round(row.took.total_seconds(), 3),
        "remarks": list(row.remarks),
    }


def call_document(call: ToolCallRecord, *, content: bool) -> Document:
    """Spell a tool call; arguments, output and error hold content."""
    shown = asdict(call) | {"claimed_at": iso(call.claimed_at), "settled_at": iso(call.settled_at)}
    hidden = set() if content else {"arguments", "output", "error"}
    return {name: value for name, value in shown.items() if name not in hidden}


def event_document(event: Transition) -> Document:
    """Spell an event."""
    return {"seq": event.seq, "at": iso(event.at), "type": event.type, "data": dict(event.data)}


def summary_document(run: RunSummary) -> Document:
    """Spell a run of a list."""
    times = {"created_at": iso(run.created_at), "finished_at": iso(run.finished_at)}
    return asdict(run) | times
