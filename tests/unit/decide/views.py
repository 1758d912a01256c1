"""Build what `decide` is asked about: runs as stored, answers as seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from threadrun.models import Run, RunStep
from threadrun.records import ProviderAnswer
from threadrun.status import CallState, Stage
from worker.backoff import Fixed
from worker.decide import decide as decide_by
from worker.decide.calls import fingerprint
from worker.decide.decision import Decision, Event, Move, Post
from worker.decide.rules import Rules
from worker.decide.seen import Look, Seen, ToolSpec
from worker.providers.base import No, Refusal, Unknown, Yes
from worker.view import CallView, Effect, Intent, Progress, RunView

T = TypeVar("T")

NOW = 1_790_000_000_000
RULES = Rules(poll=Fixed(1_000, jitter=0))
ANSWER = ProviderAnswer(200, "OK")
TOOLS: Mapping[str, ToolSpec] = {
    "add": ToolSpec("tools", 60.0, idempotent=False),
    "look": ToolSpec("slow", 5.0, idempotent=True),
}


def decide(run: RunView, seen: Seen | None = None, now: int = NOW, rules: Rules = RULES) -> Decision:
    return decide_by(run, seen or Look(), now, rules)


def a_run(stage: Stage, progress: Progress | None = None, **fields: Any) -> RunView:
    made = stage not in {Stage.WAITING, Stage.CREATE}
    values: dict[str, Any] = {
        "key": "k1",
        "profile": "default",
        "version": 3,
        "claim": 1,
        "news": "0",
        "created_ms": NOW - 5_000,
        "deadline_ms": NOW + 595_000,
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "run_id": "run_1" if made else None,
        "status": "in_progress" if made else "",
    }
    return RunView(stage=stage, progress=progress or Progress(), **{**values, **fields})


def required(*calls: tuple[str, str, str] | Mapping[str, Any]) -> dict[str, Any]:
    """A required action: calls are (id, name, arguments), or as on the wire."""
    listed = [
        call
        if isinstance(call, Mapping)
        else {"id": call[0], "type": "function", "function": {"name": call[1], "arguments": call[2]}}
        for call in calls
    ]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": listed}}


def shown(status: str, *calls: tuple[str, str, str] | Mapping[str, Any], **more: Any) -> Run:
    """The run as the provider shows it."""
    action = {"required_action": required(*calls)} if calls else {}
    return Run.from_wire({"id": "run_1", "status": status, **action, **more})


ADD = ("call_1", "add", '{"a":1}')
ASKS = shown("requires_action", ADD)
"""The run asks for one call of `add`."""
SIGNATURE = fingerprint(ASKS)


def step(*outputs: str | None, status: str = "in_progress") -> RunStep:
    """A function step; null where the output is still wanted."""
    calls = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": "add", "arguments": "{}", "output": output},
        }
        for at, output in enumerate(outputs)
    ]
    details = {"type": "tool_calls", "tool_calls": calls}
    return RunStep.from_wire(
        {"id": "step_1", "type": "tool_calls", "status": status, "step_details": details}
    )


def yes(value: T, poll_after_seconds: float | None = None) -> Yes[T]:
    return Yes(value, ANSWER, poll_after_seconds)


def no(refusal: Refusal, retry_after_seconds: float | None = None) -> No:
    return No(refusal, ProviderAnswer(400, "Bad Request"), retry_after_seconds)


def unknown(reason: str = "timeout", retry_after_seconds: float | None = None) -> Unknown:
    return Unknown(reason, ProviderAnswer(reason=reason), retry_after_seconds)


def intent(effect: Effect, sent_ms: int = NOW - 20_000, life_ms: int = 15_000) -> Intent:
    """An intent whose time is over, unless told otherwise."""
    return Intent(effect, sent_ms, sent_ms + life_ms)


def call(index: int = 0, state: CallState = CallState.PENDING, **fields: Any) -> CallView:
    values = {"tool": "add", "tool_call_id": f"call_{index + 1}", "sends": 1, "sent_ms": NOW - 1_000}
    return CallView(index=index, state=state, **{**values, **fields})


def moved(decision: Decision) -> Move:
    assert isinstance(decision, Move), decision
    return decision


def posted(decision: Decision) -> Post:
    assert isinstance(decision, Post), decision
    return decision


def names(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]
