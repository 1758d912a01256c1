"""Find, in a record's transitions, when each tool call waited, when its handler ran, and how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from threadrun.cli.screen import plain
from threadrun.records import RunRecord, ToolCallRecord, Transition
from threadrun.status import CallState

_OPEN = frozenset({CallState.PENDING, CallState.CLAIMED, CallState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class CallSpell:
    """Hold one tool call on the timeline."""

    tool: str
    start: datetime
    """When its round was opened."""
    end: datetime
    """When it was settled, or when its round ended without it."""
    runs: tuple[tuple[datetime, datetime], ...]
    """When its handler ran, once for each attempt."""
    open: bool
    """It has no output yet."""
    remarks: tuple[str, ...]


def call_spells(
    record: RunRecord, round_: int, start: datetime, end: datetime, *, goes_on: bool
) -> tuple[CallSpell, ...]:
    """Find the calls of a round; start and end are those of its spell, which may go on."""
    calls = [call for call in record.tool_calls if call.round == round_]
    return tuple(_spell(record, call, start, end, goes_on=goes_on) for call in calls)


def _spell(
    record: RunRecord, call: ToolCallRecord, start: datetime, end: datetime, *, goes_on: bool
) -> CallSpell:
    runs: list[tuple[datetime, datetime]] = []
    began: datetime | None = None
    sends = 1
    for event in record.transitions:
        if (event.data.get("round"), event.data.get("index")) != (call.round, call.index):
            continue
        match event.type:
            case "tool.claimed":
                began = event.at
            case "tool.sent_again":
                sends += 1
            case "tool.reopened" | "tool.settled" | "tool.parked" | "tool.outcome_unknown" if (
                began is not None
            ):
                runs.append((began, event.at))
                began = None
    if began is not None:
        runs.append((began, max(began, end)))
    ended = call.settled_at or (start if call.state not in {*_OPEN, CallState.WITHDRAWN} else end)
    return CallSpell(
        tool=plain(call.tool) or "?",
        start=start,
        end=max(ended, start),
        runs=tuple(runs),
        open=goes_on and call.state in _OPEN,
        remarks=_remarks(call, sends, goes_on=goes_on),
    )


def _remarks(call: ToolCallRecord, sends: int, *, goes_on: bool) -> tuple[str, ...]:
    ends = {
        CallState.PENDING: "waits for a worker" if goes_on else "never run",
        CallState.CLAIMED: "runs" if goes_on else "left running",
        CallState.UNKNOWN: "parked" if goes_on else "outcome unknown",
        CallState.WITHDRAWN: "withdrawn",
    }
    said = [ends.get(call.state) or plain(call.kind or call.state.value).replace("_", " ")]
    if call.attempts:
        said.append(f"attempt {call.attempts}")
    if call.worker:
        said.append(worker_name(call.worker))
    if call.quarantined:
        said.append(f"quarantined after {call.deaths} deaths")
    if sends > 1:
        said.append(f"sent {sends} times")
    return tuple(said)


def open_since(events: Sequence[Transition], round_: int, index: int) -> datetime | None:
    """Find when a call was opened with its round, or last given back; its messages may be sent anew meanwhile."""
    for event in reversed(events):
        place = (event.data.get("round"), event.data.get("index"))
        if event.type in {"tool.reopened", "tool.released"} and place == (round_, index):
            return event.at
        if event.type == "run.requires_action" and place[0] == round_:
            return event.at
    return None


def worker_name(worker_id: str) -> str:
    """Name a worker without the mark that tells its starts apart."""
    return plain(worker_id).rpartition("/")[0] or plain(worker_id)
