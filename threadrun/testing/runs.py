"""The operations on runs and run steps."""

from __future__ import annotations

from pydantic_core import to_json

from threadrun.status import RunStatus
from threadrun.testing import shapes
from threadrun.testing.exchange import ApiReply, ApiRequest
from threadrun.testing.objects import Assistant, JsonObject, Run, Step, Thread
from threadrun.testing.paging import page
from threadrun.testing.progress import accept_cancel, enqueue, remember
from threadrun.testing.quirks import Quirk
from threadrun.testing.refusals import (
    busy_thread,
    cancel_in_wrong_status,
    cannot_cancel,
    not_found,
    nothing_to_run,
    unknown_url,
    update_in_wrong_status,
)
from threadrun.testing.script_reader import read_script
from threadrun.testing.threads import add_message, new_thread
from threadrun.testing.tool_outputs import take_approvals, take_outputs
from threadrun.testing.world import World

SCRIPT_METADATA = "script"
"""The run's metadata key whose value the model reads instead of the last user message."""


def create_run(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/{thread_id}/runs."""
    body = world.dialect.run_body(request.json(), "")
    thread = world.thread(request.ids["thread_id"])
    return _created(world, _start_run(world, thread, body))


def create_thread_and_run(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/runs; a refused run leaves no thread behind."""
    if Quirk.NO_THREAD_AND_RUN_CREATE in world.quirks:
        raise unknown_url(request.method, request.path)
    body = shapes.THREAD_AND_RUN(request.json(), "")
    thread = new_thread(world, body.get("thread", {}))
    run = _start_run(world, thread, body)
    world.threads[thread.id] = thread
    return _created(world, run)


def read_run(world: World, request: ApiRequest) -> ApiReply:
    """GET /threads/{thread_id}/runs/{run_id}."""
    run = world.run(request.ids["thread_id"], request.ids["run_id"])
    if run.rendered[0] != run.revision:
        run.rendered = (run.revision, to_json(world.dialect.run(run)))
    reply = ApiReply("run.read", run.rendered[1], run.thread, run)
    if world.options.poll_after_ms is not None:
        reply.headers.append((b"openai-poll-after-ms", str(world.options.poll_after_ms).encode()))
    return reply


def list_runs(world: World, request: ApiRequest) -> ApiReply:
    """GET /threads/{thread_id}/runs."""
    thread = world.thread(request.ids["thread_id"])
    runs = list(thread.runs.values())
    return ApiReply("runs.listed", page(request, runs, world.dialect.run, "run"), thread)


def modify_run(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/{thread_id}/runs/{run_id}."""
    body = shapes.MODIFY(request.json(), "")
    run = world.run(request.ids["thread_id"], request.ids["run_id"])
    if not run.status.terminal:
        raise update_in_wrong_status(run.status)
    remember(run, world.clock.now())
    run.metadata = body.get("metadata", run.metadata)
    run.revision += 1
    return ApiReply("run.modified", world.dialect.run(run), run.thread, run)


def submit_tool_outputs(world: World, request: ApiRequest) -> ApiReply:
    """POST …/runs/{run_id}/submit_tool_outputs; all outputs of the required action in one request."""
    body = shapes.submitted(request.json(), "")
    run = world.run(request.ids["thread_id"], request.ids["run_id"])
    if "tool_approvals" in body:
        take_approvals(run, body["tool_approvals"], world.clock.now())
    else:
        take_outputs(run, body["tool_outputs"], world.quirks, world.clock.now())
    _touch(world, run)
    return ApiReply("outputs.accepted", world.dialect.run(run), run.thread, run)


def cancel_run(world: World, request: ApiRequest) -> ApiReply:
    """POST …/runs/{run_id}/cancel."""
    run = world.run(request.ids["thread_id"], request.ids["run_id"])
    if run.status.terminal or run.status is RunStatus.CANCELLING:
        if Quirk.CANCEL_FINISHED_200 in world.quirks:
            return ApiReply("cancel.ignored", world.dialect.run(run), run.thread, run)
        raise cancel_in_wrong_status(run.status)
    if run.status is not RunStatus.IN_PROGRESS and Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS in world.quirks:
        raise cannot_cancel(run.id)
    accept_cancel(run, _touch(world, run))
    return ApiReply("run.cancelled", world.dialect.run(run), run.thread, run)


def list_steps(world: World, request: ApiRequest) -> ApiReply:
    """GET …/runs/{run_id}/steps."""
    run = world.run(request.ids["thread_id"], request.ids["run_id"])

    def render(step: Step) -> JsonObject:
        return world.dialect.step(run, step)

    return ApiReply("steps.listed", page(request, run.steps, render, "run step"), run.thread, run)


def read_step(world: World, request: ApiRequest) -> ApiReply:
    """GET …/runs/{run_id}/steps/{step_id}."""
    run = world.run(request.ids["thread_id"], request.ids["run_id"])
    for step in run.steps:
        if step.id == request.ids["step_id"]:
            return ApiReply("step.read", world.dialect.step(run, step), run.thread, run)
    raise not_found("run step", request.ids["step_id"])


def _created(world: World, run: Run) -> ApiReply:
    return ApiReply("run.created", world.dialect.run(run), run.thread, run)


def _touch(world: World, run: Run) -> float:
    run.thread.touched_at = world.clock.now()
    return run.thread.touched_at


def _start_run(world: World, thread: Thread, body: JsonObject) -> Run:
    assistant = world.assistant(body["assistant_id"])
    if thread.active_run is not None and Quirk.NO_ACTIVE_RUN_LIMIT not in world.quirks:
        raise busy_thread(thread.id, thread.active_run.id)
    settings = _settings(assistant, body)
    added = body.get("additional_messages") or []
    if not settings["instructions"] and "user" not in [
        *(message.role for message in thread.messages),
        *(message["role"] for message in added),
    ]:
        raise nothing_to_run()
    for message in added:
        add_message(world, thread, message)
    run = _new_run(world, thread, body, settings)
    thread.runs[run.id] = world.runs[run.id] = run
    thread.live.append(run)
    enqueue(run, _touch(world, run))
    return run


def _new_run(world: World, thread: Thread, body: JsonObject, settings: JsonObject) -> Run:
    options, now = world.options, world.clock.now()
    dialect = world.dialect
    life = dialect.life_seconds if options.expire_seconds is None else options.expire_seconds
    metadata = body.get("metadata", {})
    asked = [message.text for message in thread.messages if message.role == "user"]
    script = read_script(metadata.get(SCRIPT_METADATA) or (asked[-1] if asked else ""))
    cancel, queue = script.cancel_seconds, script.queue_seconds
    return Run(
        id=world.ids.next("run"),
        thread=thread,
        assistant_id=body["assistant_id"],
        settings=settings,
        metadata=metadata,
        script=script,
        created_at=now,
        expires_at=now + life,
        approval_life_seconds=dialect.approval_life_seconds if options.expire_seconds is None else life,
        queues=dialect.queues,
        queue_seconds=options.queue_seconds if queue is None else queue,
        think_seconds=options.think_seconds,
        cancel_seconds=options.cancel_seconds if cancel is None else cancel,
        prompt_characters=len(settings["instructions"] or "")
        + sum(len(message.text) for message in thread.messages),
        past=[] if world.keeps_past else None,
    )


def _settings(assistant: Assistant, body: JsonObject) -> JsonObject:
    given = {name: value for name, value in body.items() if value is not None}
    own = assistant.settings
    instructions = [given.get("instructions", own["instructions"]), given.get("additional_instructions")]
    return {
        "model": given.get("model", own["model"]),
        "instructions": "\n".join(filter(None, instructions)) or None,
        "tools": given.get("tools", own["tools"]),
        "tool_resources": given.get("tool_resources", own["tool_resources"]),
        "temperature": given.get("temperature", own["temperature"]),
        "top_p": given.get("top_p", own["top_p"]),
        "reasoning_effort": given.get("reasoning_effort", own["reasoning_effort"]),
        "max_completion_tokens": given.get("max_completion_tokens"),
        "max_prompt_tokens": given.get("max_prompt_tokens"),
        "truncation_strategy": {
            "type": "auto",
            "last_messages": None,
            **given.get("truncation_strategy", {}),
        },
        "response_format": given.get("response_format", own["response_format"]),
        "tool_choice": given.get("tool_choice", "auto"),
        "parallel_tool_calls": given.get("parallel_tool_calls", True),
    }
