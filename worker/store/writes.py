"""Turn a decision's changes into the arguments of the commit script."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from threadrun.compact_json import compact_json
from threadrun.keys import INDEX_LIFE_SECONDS, Keys
from threadrun.models import Run
from threadrun.status import CallState, OnUnknown, Stage
from worker.decide.decision import Changes, Event, NewCall, ThreadMove
from worker.decide.twins import FIRST_LOOK_MS, WATCH_MS
from worker.store.ledger import row_field
from worker.store.scripts import Arg
from worker.view import CallView, RunView


def event_body(event: Event, **more: object) -> str:
    """Write an event as the JSON object that the script completes with seq and time."""
    return compact_json({"type": event.type, **more, **event.data})


def new_op() -> str:
    """Name a write, so that its repeat is known.

    A claim's number and a count would not do: a Redis that has lost its last second gives a claim's number out again,
    and of two holders one would be told that the other's write is its own.
    """
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Commit:
    """One write of the engine: where the run goes, and what changes."""

    stage: Stage
    delay_ms: int
    changes: Changes
    keep_lease: bool
    """The holder goes on with a POST."""
    op: str
    """Names this write; a repeat gets the first answer."""
    polls: int = 0
    requests: int = 0


def commit_keys(keys: Keys, run: RunView, write: Commit) -> list[str]:
    """List the keys of the commit script."""
    thread_id = run.thread_id or write.changes.facts.get("thread_id")
    return [
        keys.run(run.key),
        keys.calls(run.key),
        keys.stream(),
        keys.agenda(run.stage, run.profile),
        keys.agenda(write.stage, run.profile),
        keys.thread(run.profile, thread_id) if thread_id else keys.nothing(),
        keys.index_thread(run.profile, thread_id) if thread_id else keys.nothing(),
        keys.twins(run.profile),
        keys.twins_of(run.key),
    ]


def commit_args(keys: Keys, run: RunView, write: Commit) -> list[Arg]:
    """List the arguments of the commit script."""
    changes = write.changes
    fields = _record_fields(run, changes)
    call_fields = _call_fields(run, changes)
    facts = list(changes.facts.items())
    moved = {"from": run.stage.value, "to": write.stage.value} if write.stage is not run.stage else {}
    events = [event_body(event, **moved) for event in changes.events]
    fact_events = [event_body(event) for event in changes.fact_events]
    thread = changes.thread
    if thread is ThreadMove.FREE and not run.thread_id and "thread_id" not in changes.facts:
        thread = ThreadMove.NONE
    withdrawn = run.round if changes.withdraw and run.round else ""
    return [
        keys.prefix, run.key, write.op, run.version, run.claim, run.news, write.stage.value, write.delay_ms,
        int(write.keep_lease), thread.value, write.polls, write.requests,
        run.index_label, next_status(run, changes) or "none",
        INDEX_LIFE_SECONDS, len(facts), len(fields), len(call_fields), len(fact_events), withdrawn,
        int(changes.watch_twins), WATCH_MS, FIRST_LOOK_MS,
        *_flat(facts), *_flat(fields), *_flat(call_fields), *fact_events, *events,
    ]  # fmt: skip


def next_status(run: RunView, changes: Changes) -> str:
    """Give the run's status after a write; a status that we do not know leaves the last known one."""
    shown = changes.run
    return shown.status if shown is not None and shown.known_status is not None else run.status


def _flat(pairs: Iterable[tuple[str, Arg]]) -> list[Arg]:
    return [item for pair in pairs for item in pair]


def _record_fields(run: RunView, changes: Changes) -> list[tuple[str, Arg]]:
    fields: dict[str, Arg] = {"progress": changes.progress.dump()}
    if changes.run is not None:
        fields["run"] = changes.run.to_wire_json()
        fields["model"] = changes.run.model or ""
        fields["reason"] = _reason(changes.run)
        if changes.run.usage is not None:
            fields["usage_of_run"] = changes.run.usage.to_wire_json()
        if changes.run.known_status is not None:
            fields["status"] = changes.run.status
    if changes.answer is not None:
        fields["last_answer"] = changes.answer.dump()
    if changes.tools_until_ms is not None:
        fields["tools_until_ms"] = changes.tools_until_ms
    if changes.asked is not None:
        fields["asked"] = compact_json(changes.asked)
    if changes.opened:
        pending = sum(row.state is CallState.PENDING for row in changes.opened)
        fields |= {
            "round": run.round + 1,
            "round_size": len(changes.opened),
            "open": pending,
            "total_calls": run.total_calls + len(changes.opened),
        }
    return list(fields.items())


def _reason(run: Run) -> str:
    """Give the code with which the provider ended a run; a word, never a text."""
    code = run.last_error.code if run.last_error else None
    return (code or (run.incomplete_details.reason if run.incomplete_details else None) or "")[:64]


def _call_fields(run: RunView, changes: Changes) -> list[tuple[str, Arg]]:
    fields: list[tuple[str, Arg]] = []
    sent_round = run.round + 1 if changes.opened else run.round
    if changes.opened:
        fields.append((f"{run.round + 1}:size", len(changes.opened)))
    for row in changes.opened:
        fields += _named(run.round + 1, row.index, _opened_row(row))
    for index in changes.resumed:
        fields += _named(run.round, index, {"state": CallState.PENDING.value, "sends": 0})
    for call in changes.sent:
        fields += _named(sent_round, call.index, {"sends": call.sends, "sent_ms": call.sent_ms})
    for index in changes.submitted:
        fields += _named(run.round, index, {"state": CallState.SUBMITTED.value})
    return fields


def _named(round_: int, index: int, values: Mapping[str, Arg]) -> list[tuple[str, Arg]]:
    return [(row_field(round_, index, name), value) for name, value in values.items()]


def _opened_row(row: NewCall) -> dict[str, Arg]:
    return {
        "state": row.state.value,
        "tool_call_id": row.tool_call_id,
        "type": row.type,
        "tool": row.tool,
        "arguments": row.arguments,
        "queue": row.queue,
        "timeout_seconds": row.timeout_seconds,
        "idempotent": int(row.idempotent),
        **({"on_unknown": row.on_unknown.value} if row.on_unknown is not OnUnknown.TELL else {}),
        **({"output": row.output, "kind": row.kind} if row.kind else {}),
    }


def sent_calls(run: RunView, changes: Changes) -> tuple[tuple[int, CallView], ...]:
    """Pair the calls to publish with their round."""
    round_ = run.round + 1 if changes.opened else run.round
    return tuple((round_, call) for call in changes.sent)
