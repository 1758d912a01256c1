"""Turn a caller's values into one atomic enqueue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, TypedDict

from threadrun.client.catalogue import Shelf
from threadrun.client.operation import Operation
from threadrun.client.tool_list import AskedTool, function_names, tool_list
from threadrun.compact_json import compact_json
from threadrun.errors import IdempotencyConflict, InvalidRequest, Problem, ThreadBusy
from threadrun.keys import INDEX_LIFE_SECONDS, Keys
from threadrun.records import SCHEMA
from threadrun.request import RUN_KEY_PATTERN, JsonObject, OnDone, RunRequest
from threadrun.status import Stage

WAITING_LOOK_MS = 30_000
"""How soon a run that waits for its thread is looked at without being woken."""

_in_order = json.JSONEncoder(sort_keys=True).encode


class RunOptions(TypedDict, total=False):
    """Name what `enqueue` takes beside the assistant; the types and limits are those of `RunRequest`."""

    thread_id: str | None
    """The thread to run; none: a new one is created from `messages`."""
    messages: str | Sequence[str | Mapping[str, Any]] | None
    """A text, or messages as on the wire; with `thread_id` they are added to the thread."""
    instructions: str | None
    additional_instructions: str | None
    model: str | None
    tools: Sequence[str | Mapping[str, Any]] | None
    """Names of served tools, or wire definitions of server-side tools; only these may be called."""
    metadata: Mapping[str, str] | None
    temperature: float | None
    top_p: float | None
    reasoning_effort: str | None
    max_prompt_tokens: int | None
    max_completion_tokens: int | None
    truncation_strategy: Mapping[str, Any] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | None
    tool_resources: Mapping[str, Any] | None
    mcp_approvals: str | Mapping[str, str] | None
    include: Sequence[str] | None
    idempotency_key: str | None
    """The run key; repeated with the same request it gives the same run. None: one is generated."""
    deadline_seconds: float | None
    profile: str | None
    thread_strategy: str | None
    """`enqueue` (default): wait for the thread's active run. `interrupt`: wish it cancelled, and be the next.
    `reject`: raise ThreadBusy."""
    on_done: str | Mapping[str, str] | OnDone | None
    """The Celery task to send when the record is final: a name, or `{"task": …, "queue": …}`."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Say what an enqueue gave."""

    run_key: str
    created: bool
    """False: the same request was enqueued before under this key."""
    stage: Stage


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold a validated request; the script's arguments are made of it only when they are sent."""

    run_key: str
    request: RunRequest
    """Without its tools."""
    asked_tools: Sequence[AskedTool] | None
    tools: Sequence[JsonObject] | None
    """Definitions in place of names; none: the assistant's own."""
    replay_of: str | None
    op: str = field(default_factory=lambda: token_hex(16))
    """Names this enqueue: the script may be sent twice when its answer is lost."""


def prepare(
    shelf: Shelf, assistant_id: Any, options: Mapping[str, Any], replay_of: str | None = None
) -> Operation[Prepared]:
    """Validate a caller's values and fill in the definitions of tools given by name.

    Raises:
        InvalidRequest: with every problem found; nothing is stored.
    """
    values = {name: value for name, value in options.items() if value is not None}
    run_key = values.pop("idempotency_key") if "idempotency_key" in values else token_hex(16)
    if not isinstance(run_key, str) or not RUN_KEY_PATTERN.fullmatch(run_key):
        problem = Problem("idempotency_key", "1 to 128 characters of A-Z a-z 0-9 . _ : - are allowed")
        raise InvalidRequest([problem])
    values["assistant_id"] = assistant_id
    values["messages"] = _messages(values.get("messages", ()))
    if isinstance(values.get("on_done"), str):
        values["on_done"] = {"task": values["on_done"]}
    tools = values.pop("tools", None)
    asked = RunRequest.parse(values)
    named = tool_list(tools)
    yield from shelf.check_profile(asked.profile)
    if named is None:
        return Prepared(run_key, asked, None, None, replay_of)
    definitions = yield from shelf.definitions(function_names(named))
    wire = [definitions[tool] if isinstance(tool, str) else tool for tool in named]
    return Prepared(run_key, asked, named, wire, replay_of)


def _messages(messages: Any) -> Any:
    if isinstance(messages, str):
        messages = [messages]
    if isinstance(messages, Sequence):
        return tuple({"role": "user", "content": m} if isinstance(m, str) else m for m in messages)
    return messages


def _fingerprint(said: JsonObject, tools: Sequence[AskedTool] | None) -> str:
    """Identify what the caller asked, not what a name stood for at the time."""
    return hashlib.sha256(_in_order({"request": said, "tools": tools}).encode()).hexdigest()


def enqueue_script(keys: Keys, prepared: Prepared) -> tuple[list[str], list[Any]]:
    """List keys and arguments of the enqueue script."""
    request, run_key = prepared.request, prepared.run_key
    thread = request.thread_id
    event = {"type": "run.enqueued", "profile": request.profile}
    if prepared.replay_of:
        event["replay_of"] = prepared.replay_of
    said = request.model_dump(mode="json", exclude_none=True)
    stored = said if prepared.tools is None else {**said, "tools": prepared.tools}
    names = function_names(prepared.tools or ())
    fields = [
        "schema", SCHEMA, "assistant_id", request.assistant_id,
        "tool_names", "*" if prepared.tools is None else ",".join(names) or "-",
        "tells", int(request.on_done is not None), "own_thread", int(thread is None),
        "request", compact_json(stored),
    ]  # fmt: skip
    if thread is not None:
        fields += ["thread_id", thread]
    if request.include:
        fields += ["include", json.dumps(request.include)]
    key_names = [
        keys.run(run_key),
        keys.thread(request.profile, thread) if thread else keys.nothing(),
        keys.stream(),
        keys.index_runs(),
        keys.index_thread(request.profile, thread) if thread else keys.nothing(),
    ]
    args = [
        keys.prefix, run_key, request.profile, _fingerprint(said, prepared.asked_tools), int(thread is not None),
        request.thread_strategy, round(request.deadline_seconds * 1000), compact_json(event),
        WAITING_LOOK_MS, INDEX_LIFE_SECONDS, prepared.op,
        compact_json({"type": "run.cancel_requested", "by": run_key}), *fields,
    ]  # fmt: skip
    return key_names, args


def read_verdict(prepared: Prepared, answer: Sequence[str]) -> Enqueued:
    """Read the script's answer.

    Raises:
        IdempotencyConflict: The key stands for another request.
        ThreadBusy: The thread has an active run and the strategy is "reject".
    """
    verdict, word, _ = answer
    if verdict == "conflict":
        raise IdempotencyConflict(prepared.run_key)
    if verdict == "busy":
        raise ThreadBusy(prepared.request.thread_id or "", word)
    return Enqueued(prepared.run_key, verdict == "new", Stage(word))
