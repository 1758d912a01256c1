"""What must not be, however and wherever processes died; read from records, run server and handlers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from tests.simulation.kinds import IDEMPOTENT, Kind
from threadrun.records import RunRecord
from threadrun.request import RUN_KEY_METADATA
from threadrun.status import CallState

RECOVERY_SECONDS = 150.0
"""A run of a few seconds must end so soon after its enqueue, whatever died once."""


def record_faults(record: RunRecord, kind: Kind, *, died: bool) -> Iterator[str]:
    """Say what is wrong with one record."""
    seqs = [event.seq for event in record.transitions]
    types = Counter(event.type for event in record.transitions)
    outcomes = kind.outcomes | (kind.after_death if died else frozenset())
    if record.outcome is None or record.outcome.value not in outcomes:
        yield f"outcome {record.outcome}"
    if seqs != list(range(1, len(seqs) + 1)):
        yield f"events {seqs}"
    if types["run.finished"] != 1 or record.transitions[-1].type != "run.finished":
        yield "not finished once, by the last event"
    if any(a.at > b.at for a, b in pairwise(record.transitions)):
        yield "events go back in time"
    if record.missing:
        yield f"missing {record.missing}"
    if record.finished_at is None or record.finished_at < record.created_at:
        yield "ended before it began"
    elif (record.finished_at - record.created_at).total_seconds() > RECOVERY_SECONDS + kind.passed_seconds:
        yield f"took {record.finished_at - record.created_at}"
    if record.outcome is not None and record.outcome.value == "completed":
        yield from _call_faults(record, kind, died=died)


def _call_faults(record: RunRecord, kind: Kind, *, died: bool) -> Iterator[str]:
    allowed = kind.kinds | ({"unknown_outcome"} if died else set())
    for call in record.tool_calls:
        if call.state is not CallState.SUBMITTED:
            yield f"call {call.index} is {call.state}"
        if call.kind not in allowed:
            yield f"call {call.index} ended {call.kind}"
        if call.kind == "unknown_outcome" and call.tool in IDEMPOTENT:
            yield f"idempotent call {call.index} has an unknown outcome"


def provider_faults(provider_runs: Iterable[Any], keys: Sequence[str]) -> Iterator[str]:
    """Say which run key has more than one run at the provider that was not cancelled."""
    made = Counter(
        run["metadata"].get(RUN_KEY_METADATA) for run in provider_runs if run["status"] != "cancelled"
    )
    for key, count in made.items():
        if key not in keys or count > 1:
            yield f"{count} runs at the provider for {key}"


def handler_faults(entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Say which handler was entered twice that must not be."""
    for (name, key), count in Counter(entries).items():
        if count > 1 and name not in IDEMPOTENT:
            yield f"{name} entered {count} times for {key}"


def left_faults(names: Iterable[str]) -> Iterator[str]:
    """Say which keys should be gone when every run has ended."""
    yield from (f"left {name}" for name in names if name.startswith(("thread:", "agenda:")))
