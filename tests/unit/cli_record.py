"""A hand-made record for the command line's tests: events at given offsets, and the ledger's rows."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from threadrun.records import RunRecord, run_record, utc

ENQUEUED_MS = 1_800_000_000_000
ENQUEUED_AT = utc(ENQUEUED_MS)

Event = tuple[float, str, dict[str, Any]]


def after(seconds: float) -> Any:
    """Give the time so long after the enqueue."""
    return ENQUEUED_AT + timedelta(seconds=seconds)


def ms(seconds: float) -> int:
    """Give that time as it is stored."""
    return ENQUEUED_MS + round(seconds * 1000)


def made_record(
    stage: str, events: list[Event], calls: dict[str, str] | None = None, **fields: Any
) -> RunRecord:
    """Assemble a record from what Redis would hold; events are (seconds after enqueue, type, data)."""
    request = {
        "assistant_id": "asst_1",
        "messages": [{"role": "user", "content": "the user's secret question"}],
    }
    stored = {
        "schema": "1",
        "profile": "default",
        "stage": stage,
        "request": json.dumps(request),
        "created_ms": str(ENQUEUED_MS),
        "deadline_ms": str(ms(600)),
        **{name: str(value) for name, value in fields.items()},
    }
    told = [(0.0, "run.enqueued", {"profile": "default"}), *events]
    texts = [
        json.dumps({"seq": seq, "at_ms": ms(at), "type": kind, **data})
        for seq, (at, kind, data) in enumerate(told, 1)
    ]
    return run_record("order-7", stored, texts, calls or {})


def ledger_row(round_: int, index: int, **fields: Any) -> dict[str, str]:
    """Give one row of the ledger as Redis holds it."""
    row = {"tool_call_id": f"call_{index}", "type": "function", "arguments": '{"q": "private"}', **fields}
    return {f"{round_}:{index}:{name}": str(value) for name, value in row.items()}


CREATED: list[Event] = [
    (0.1, "thread.created", {"thread_id": "thread_1"}),
    (0.1, "run.create_sent", {"attempt": 1}),
    (0.5, "run.created", {"run_id": "run_1", "status": "queued"}),
    (0.5, "run.status_changed", {"from": None, "to": "queued"}),
]

REQUIRES: list[Event] = [
    (1.5, "run.status_changed", {"from": "queued", "to": "requires_action"}),
    (1.5, "run.requires_action", {"from": "poll", "to": "tools", "round": 1, "calls": 2}),
]


def completed_with_two_tools() -> RunRecord:
    """Give a run of ten seconds: one call at once, one whose handler failed first and ran again."""
    place = {"round": 1, "index": 1, "tool": "search"}
    events: list[Event] = [
        *CREATED,
        *REQUIRES,
        (2.0, "tool.claimed", {"round": 1, "index": 0, "tool": "add", "attempt": 1, "worker": "tools@h/1"}),
        (2.5, "tool.settled", {"round": 1, "index": 0, "tool": "add", "kind": "ok"}),
        (2.0, "tool.claimed", {**place, "attempt": 1, "worker": "tools@h/1"}),
        (3.0, "tool.reopened", {**place, "reason": "exception"}),
        (4.0, "tool.claimed", {**place, "attempt": 2, "worker": "tools@h/2"}),
        (6.0, "tool.settled", {**place, "kind": "timeout"}),
        (6.0, "run.outputs_ready", {"round": 1}),
        (6.2, "tool_outputs.sent", {"round": 1}),
        (6.5, "tool_outputs.submitted", {"round": 1, "outputs": 2}),
        (6.5, "run.status_changed", {"from": "requires_action", "to": "in_progress"}),
        (9.5, "run.ended", {"from": "poll", "to": "finalize", "outcome": "completed", "unconfirmed": False}),
        (10.0, "run.finished", {"outcome": "completed", "status": "completed"}),
    ]
    one = ledger_row(
        1, 0, tool="add", state="submitted", kind="ok", attempts=1, worker="tools@h/1", output="private too",
        claimed_ms=ms(2.0), settled_ms=ms(2.5),
    )  # fmt: skip
    two = ledger_row(
        1, 1, tool="search", state="submitted", kind="timeout", attempts=2, worker="tools@h/2", error="private 3",
        claimed_ms=ms(4.0), settled_ms=ms(6.0),
    )  # fmt: skip
    fields = {"status": "completed", "outcome": "completed", "finished_ms": ms(10.0), "run_id": "run_1"}
    message = {
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "text", "text": {"value": "the model's secret answer", "annotations": []}}],
    }
    return made_record(
        "done",
        events,
        {"1:size": "2", **one, **two},
        messages=json.dumps([message]),
        polls=4,
        requests=9,
        **fields,
    )
