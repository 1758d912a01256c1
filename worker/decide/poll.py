"""Decide in stage poll: a run that works at the provider."""

from __future__ import annotations

from threadrun.models import FunctionToolCall, McpToolCall, RunStep, StepToolCall
from threadrun.status import Stage
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Question, Rest
from worker.decide.ending import due_ending, to_cancel
from worker.decide.observe import observed
from worker.decide.rules import Rules
from worker.decide.seen import Look, RunSeen, Seen, StepsSeen
from worker.decide.trouble import look_later, unreadable
from worker.providers.base import Reply, Yes
from worker.replace import replace
from worker.view import RunView


def poll(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Read the run and follow it."""
    match seen:
        case Look():
            if ending := due_ending(run, now):
                return to_cancel(run, Changes(run.progress), *ending, now)
            return Ask(Question.RUN)
        case RunSeen():
            if isinstance(seen.reply, Yes):
                return observed(run, seen.reply, seen, now, rules)
            return unreadable(run, seen.reply, now, rules)
        case StepsSeen(reply):
            return _steps_decide(run, reply, now, rules)
        case _:
            return Rest(0)


def _steps_decide(run: RunView, reply: Reply[tuple[RunStep, ...]], now: int, rules: Rules) -> Decision:
    """Long after our submit the same action is required: the steps tell whether the outputs arrived.

    Where they tell nothing, the same bytes are sent again, a few times and ever later: a provider that has them
    refuses them, and one that does not would wait for them until the run expires.
    """
    if not isinstance(reply, Yes):
        return look_later(run, reply, rules)
    progress = replace(run.progress, submitted_ms=0, intent=None)
    if not awaits_outputs(reply.value):
        patience_ms = rules.stale_read_ms << run.progress.repeats
        if now - run.progress.submitted_ms < patience_ms or not may_repeat(run, reply.value, rules):
            return Rest(rules.poll.delay_ms(rules.stale_read_ms, run.key))
        progress = replace(progress, repeats=progress.repeats + 1)
    elif has_new_calls(run, reply.value):  # a new round, though it looks like the last one
        return Move(Stage.POLL, 0, Changes(replace(run.progress, signature=""), answer=reply.answer))
    event = Event("tool_outputs.wanted_again", {"round": run.round})
    return Move(Stage.SUBMIT, 0, Changes(progress, answer=reply.answer, events=(event,)))


def awaits_outputs(steps: tuple[RunStep, ...]) -> bool:
    """Tell whether a step still has a call without output: the provider does not have ours, or our approval."""
    return any(
        _is_unanswered(call) for step in steps if step.status == "in_progress" for call in step.tool_calls
    )


def may_repeat(run: RunView, steps: tuple[RunStep, ...], rules: Rules) -> bool:
    """Tell whether to send outputs again of which the steps do not prove that they arrived.

    Some servers show no null where an output is still wanted, or no function step at all.
    """
    listed = [
        call.function
        for step in steps
        for call in step.tool_calls
        if isinstance(call, FunctionToolCall) and call.function is not None
    ]
    shown = sum(bool(function.output) for function in listed)
    return (
        shown < run.total_calls
        and len(listed) <= run.total_calls
        and run.progress.repeats < rules.max_repeats
    )


def _is_unanswered(call: StepToolCall) -> bool:
    if isinstance(call, FunctionToolCall):
        return call.function is not None and call.function.output is None
    return isinstance(call, McpToolCall) and call.output is None


def has_new_calls(run: RunView, steps: tuple[RunStep, ...]) -> bool:
    """Tell whether the steps list more calls than we were ever asked for.

    Where ids repeat, a new round can look exactly like the last one; then only the count tells them apart.
    """
    listed = sum(isinstance(call, FunctionToolCall) for step in steps for call in step.tool_calls)
    return listed > run.total_calls
