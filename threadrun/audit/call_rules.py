"""Apply the rules of tool calls to one run. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from threadrun.audit.breach import Breach, Rule
from threadrun.audit.evidence import Evidence
from threadrun.audit.handler_log import HandlerLog
from threadrun.audit.kept import Kept, KeptCall
from threadrun.status import Outcome


def judge_calls(run: Kept, evidence: Evidence) -> Iterator[Breach]:
    """Give every breach that the calls of one run show."""
    for call in run.calls:
        once = call.tool not in evidence.idempotent
        if once and call.attempts > 1 + call.releases:
            yield _twice(run, call, f"the record counts {call.attempts} entries")
        yield from _surfaced(run, call)
        if evidence.handlers is not None:
            yield from _entries(run, call, evidence.handlers, once=once)


def _surfaced(run: Kept, call: KeptCall) -> Iterator[Breach]:
    """An unknown outcome is told to the model, or the run did not complete; it never just disappears."""
    if run.outcome != Outcome.COMPLETED:
        return
    if call.is_open:
        text = f"the run completed, but nobody recorded what became of call {call.place}"
        yield Breach(Rule.OUTCOME_HIDDEN, run.key, text, call.place)
    if call.is_unknown and not call.has_output:
        text = f"the run completed, but the model was not told that the outcome of {call.place} is unknown"
        yield Breach(Rule.OUTCOME_HIDDEN, run.key, text, call.place)


def _entries(run: Kept, call: KeptCall, log: HandlerLog, *, once: bool) -> Iterator[Breach]:
    name = f"{run.key}:{call.place}"
    entered, left = log.entered[name], log.left[name]
    if once and entered > 1 + call.releases:
        yield _twice(run, call, f"its handler was entered {entered} times")
    if entered > call.attempts:
        text = (
            f"the handler of call {call.place} was entered {entered} times; the record counts {call.attempts}"
        )
        yield Breach(Rule.CALL_UNRECORDED, run.key, text, call.place)
    if call.kind == "ok" and call.tool in log.leaving_tools and not left:
        text = f"call {call.place} is recorded as ok, but its handler never came to its end"
        yield Breach(Rule.OUTCOME_HIDDEN, run.key, text, call.place)


def _twice(run: Kept, call: KeptCall, seen: str) -> Breach:
    text = f"call {call.place} of {call.tool}, which is not idempotent: {seen}"
    return Breach(Rule.CALL_ENTERED_TWICE, run.key, text, call.place)
