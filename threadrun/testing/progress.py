"""How a run moves: a function of its script, of what clients did to it, and of the clock.

Nothing runs in the background. A run knows when it changes next; whoever looks at it first applies all
changes that have fallen due, each at its own time, in order. So a late look sees exactly what an early one
would have led to, and a client that dies changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from threadrun.status import RunStatus
from threadrun.testing.ids import derived_id
from threadrun.testing.objects import NEVER, Message, Run, Step
from threadrun.testing.script import Call, End, Say
from threadrun.testing.script_reader import fill
from threadrun.testing.tokens import tokens_of

WAITED_FOR = frozenset({"azure_function"})
"""Kinds that the provider runs itself while the run shows requires_action (azure-ai-agents' published client waits)."""


def advance(run: Run, now: float) -> None:
    """Apply everything that has fallen due by `now`."""
    while run.due <= now:
        remember(run, run.due)
        _change(run, run.due)


def remember(run: Run, until: float) -> None:
    """Keep what the run is, before it changes, where stale reads are to show it."""
    if run.past is not None:
        steps = [replace(step) for step in run.steps]
        run.past.append((until, replace(run, steps=steps, rendered=(-1, b""), past=None)))


def enqueue(run: Run, at: float) -> None:
    """Put the run into the model's queue: after its creation and after each submit."""
    if not run.queues:
        _pick_up(run, at)
        return
    run.waits_in_queue = True
    _enter(run, RunStatus.QUEUED, at)
    _wait(run, at + run.queue_seconds)


def accept_outputs(run: Run, outputs: tuple[str, ...], at: float) -> None:
    """Take the outputs of the run's tool calls, in the order of the calls."""
    remember(run, at)
    step = run.steps[-1]
    step.outputs = outputs
    step.status, step.ended_at = RunStatus.COMPLETED, at
    run.last_outputs = outputs
    run.prompt_characters += sum(map(len, outputs))
    enqueue(run, at)


def accept_some_outputs(run: Run, outputs: tuple[str | None, ...], at: float) -> None:
    """Take some of the outputs and go on requiring the others, which are None."""
    remember(run, at)
    run.steps[-1].outputs = outputs
    run.revision += 1


def accept_cancel(run: Run, at: float) -> None:
    """Begin to cancel; the run will be cancelled unless its script lets the model outrun the cancel."""
    remember(run, at)
    run.outruns_cancel = run.script.ignores_cancel and run.status is not RunStatus.REQUIRES_ACTION
    _enter(run, RunStatus.CANCELLING, at)
    if not run.outruns_cancel:
        _wait(run, at + run.cancel_seconds)


def _change(run: Run, at: float) -> None:
    if at >= run.expires_at:
        _end(run, RunStatus.EXPIRED, at)
    elif run.status is RunStatus.CANCELLING and not run.outruns_cancel:
        _cancel(run, at)
    elif run.status is RunStatus.CANCELLED:
        _regress(run, at)
    elif run.steps and run.steps[-1].served_now:
        accept_outputs(run, tuple(f"{tool.name} ran" for tool in run.steps[-1].requests), at)
    elif run.waits_in_queue:
        _pick_up(run, at)
    else:
        _act(run, at)


def _pick_up(run: Run, at: float) -> None:
    run.waits_in_queue = False
    run.started_at = at
    if run.status in {RunStatus.QUEUED, RunStatus.REQUIRES_ACTION}:
        _enter(run, RunStatus.IN_PROGRESS, at)
    _think(run, at)


def _act(run: Run, at: float) -> None:
    act = run.script.moves[run.position].act
    run.position += 1
    match act:
        case Say():
            _say(run, fill(act.template, run.last_outputs), at)
        case Call() if run.status is RunStatus.CANCELLING:
            _cancel(run, at)
        case Call():
            _ask(run, act, at)
        case End():
            run.end_code, run.end_message = act.code, act.message
            _end(run, act.status, at)
        case _:
            assert_never(act)


def _cancel(run: Run, at: float) -> None:
    _end(run, RunStatus.CANCELLED, at)
    if run.regress_seconds is not None and at + run.regress_seconds < run.expires_at:
        run.due = at + run.regress_seconds


def _regress(run: Run, at: float) -> None:
    """Go on as if no cancel had come: wait for the outputs again, or let the model make its next move."""
    run.regress_seconds = run.ended_at = None
    run.waits_in_queue = False
    if run.steps and run.steps[-1].status is RunStatus.CANCELLED:
        run.steps[-1].status, run.steps[-1].ended_at = RunStatus.IN_PROGRESS, None
        _enter(run, RunStatus.REQUIRES_ACTION, at)
        _wait(run, NEVER)
    else:
        _act(run, at)


def _say(run: Run, text: str, at: float) -> None:
    step = _add_step(run, text, at)
    step.message_id = derived_id("msg", run.id, len(run.steps))
    step.status, step.ended_at = RunStatus.COMPLETED, at
    run.thread.messages.append(
        Message(
            id=step.message_id,
            thread_id=run.thread.id,
            created_at=at,
            role="assistant",
            content=[{"type": "text", "text": {"value": text, "annotations": []}}],
            assistant_id=run.assistant_id,
            run_id=run.id,
        )
    )
    run.revision += 1
    _think(run, at)


def _ask(run: Run, call: Call, at: float) -> None:
    step = _add_step(run, "".join(tool.name + tool.arguments for tool in call.tools), at)
    step.call = call
    step.call_ids = tuple(derived_id("call", step.id, number) for number, _ in enumerate(call.tools))
    if call.kind == "mcp":
        run.expires_at = max(run.expires_at, run.created_at + run.approval_life_seconds)
    if not call.served:
        _enter(run, RunStatus.REQUIRES_ACTION, at)
        _wait(run, NEVER)
        return
    if call.kind in WAITED_FOR:
        _enter(run, RunStatus.REQUIRES_ACTION, at)
    _wait(run, at + run.think_seconds)


def _add_step(run: Run, written: str, at: float) -> Step:
    step = Step(
        id=derived_id("step", run.id, len(run.steps)),
        created_at=at,
        prompt_tokens=tokens_of(run.prompt_characters),
        completion_tokens=tokens_of(len(written)),
    )
    run.steps.append(step)
    run.prompt_characters += len(written)
    return step


def _think(run: Run, at: float) -> None:
    seconds = run.script.moves[run.position].think_seconds
    _wait(run, at + (run.think_seconds if seconds is None else seconds))


def _wait(run: Run, until: float) -> None:
    run.due = min(until, run.expires_at)


def _enter(run: Run, status: RunStatus, at: float) -> None:
    run.status = status
    run.transitions.append((at, status))
    run.revision += 1


def _end(run: Run, status: RunStatus, at: float) -> None:
    run.ended_at = at
    run.due = NEVER
    for step in run.steps:
        if step.status is RunStatus.IN_PROGRESS:
            step.status, step.ended_at = status, at
    _enter(run, status, at)
