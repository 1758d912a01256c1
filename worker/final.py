"""Build the final record of a run from what was gathered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from threadrun.models import Message, Run, RunStep
from threadrun.records import ProviderAnswer
from threadrun.status import Outcome
from worker.decide.decision import Event
from worker.gather import Gathering
from worker.store.runs import Final
from worker.store.scripts import Arg
from worker.store.writes import event_body
from worker.view import RunView

MAX_COUNTED_TOKENS = 10**12
"""What a server says beyond this is kept in the record, but counted nowhere: no run uses so many."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What is known when a run is closed, beside what was gathered."""

    outcome: Outcome
    missing: tuple[str, ...]
    model: str
    answer: ProviderAnswer
    """The provider's last answer."""
    reason: str
    """The code with which the provider ended the run, where it gave one."""
    now_ms: int
    retention_ms: int
    op: str
    polls: int
    """Of the whole run."""
    requests: int
    """Of the whole run, this advance included."""
    new_requests: int
    """Those that are not counted in the record yet."""


def final(run: RunView, gathering: Gathering, closing: Closing) -> tuple[Final, dict[str, Any]]:
    """Build the write and the canonical line's summary."""
    summary = _summary(run, gathering, closing)
    fields: dict[str, Arg] = {
        "steps": _json_list(gathering.steps),
        "messages": _json_list(gathering.messages),
        "missing": json.dumps(list(closing.missing)),
    }
    if gathering.usage is not None:
        fields |= {"usage": gathering.usage.to_wire_json(), "usage_source": gathering.usage_source}
    # The first terminal status stands: a run that shows another one now is not taken over.
    if gathering.run is not None and gathering.usage_source == "run" and gathering.run.status == run.status:
        fields["run"] = gathering.run.to_wire_json()
    return (
        Final(
            outcome=closing.outcome,
            fields=fields,
            event=event_body(Event("run.finished", summary)),
            day=datetime.fromtimestamp(closing.now_ms / 1000, UTC).strftime("%Y-%m-%d"),
            counters=_counters(run, closing, summary),
            retention_ms=closing.retention_ms,
            op=closing.op,
            requests=closing.new_requests,
        ),
        summary,
    )


def _json_list(items: Sequence[Run | RunStep | Message]) -> str:
    return f"[{','.join(item.to_wire_json() for item in items)}]"


def _summary(run: RunView, gathering: Gathering, closing: Closing) -> dict[str, Any]:
    usage = gathering.usage
    return {
        "outcome": closing.outcome.value,
        "status": run.status or None,
        "seconds": round(max(0, closing.now_ms - run.created_ms) / 1000, 3),
        "polls": closing.polls,
        "requests": closing.requests,
        "tool_calls": run.total_calls,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "total_tokens": usage.total_tokens if usage else None,
        "missing": list(closing.missing),
        "http_status": closing.answer.http_status,
        "reason": closing.reason or (closing.answer.error or {}).get("code") or None,
    }


def _counters(run: RunView, closing: Closing, summary: dict[str, Any]) -> dict[str, int]:
    # The separator cannot be confused: neither metric nor model is split again from the right.
    of = f"{closing.model or '-'}|{run.assistant_id}"
    counters = {f"runs|{of}": 1, f"tool_calls|{of}": run.total_calls}
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        tokens = summary[name] or 0
        # Redis refuses to count beyond 64 bits, in the middle of the script.
        counters[f"{name}|{of}"] = tokens if 0 <= tokens <= MAX_COUNTED_TOKENS else 0
    return {name: count for name, count in counters.items() if count}
