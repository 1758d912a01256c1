"""How the server speaks: who may ask, at which statuses a run is answered, and what bodies look like.

`Dialect` is OpenAI's. Another one is a subclass in a file of its own that overrides what differs.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from threadrun.status import RunStatus
from threadrun.testing import shapes
from threadrun.testing.checks import Check
from threadrun.testing.ids import derived_id
from threadrun.testing.objects import Assistant, JsonObject, Message, Run, Step, Thread
from threadrun.testing.refusals import RefusedError, missing_beta_header, missing_key, wrong_key
from threadrun.testing.tokens import run_usage, step_usage


class Dialect:
    """Speak as OpenAI's Assistants API v2 did, as its recorded replies show."""

    name = "openai"
    prefix = "/v1"
    """What stands before every path."""
    queues = True
    """A run is queued first, and after each submit."""
    life_seconds = 600.0
    """How long after its creation a run expires (recorded replies)."""
    approval_life_seconds = 600.0
    """The same, for one that has waited for an approval."""
    run_body: Check = staticmethod(shapes.RUN)
    """Checks the body that creates a run."""
    assistant_body: Check = staticmethod(shapes.ASSISTANT)
    """Checks the body that creates an assistant."""

    def authorize(self, headers: Mapping[bytes, bytes], query: str, api_key: str | None) -> None:
        """Check the headers and the query of a request.

        Raises:
            RefusedError: if the bearer key or the beta header is missing or wrong.
        """
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not key.strip():
            raise missing_key()
        if api_key is not None and not hmac.compare_digest(key.strip(), api_key.encode()):
            raise wrong_key()
        if headers.get(b"openai-beta") != b"assistants=v2":
            raise missing_beta_header()

    def error(self, refusal: RefusedError) -> JsonObject:
        """Render a refusal."""
        if refusal.bare:
            return {"code": refusal.code, "message": refusal.message}
        return {
            "error": {
                "message": refusal.message,
                "type": "invalid_request_error",
                "param": refusal.param,
                "code": refusal.code,
            }
        }

    def assistant(self, assistant: Assistant) -> JsonObject:
        """Render an assistant."""
        return {
            "id": assistant.id,
            "object": "assistant",
            "created_at": int(assistant.created_at),
            **assistant.settings,
            "metadata": assistant.metadata,
        }

    def thread(self, thread: Thread) -> JsonObject:
        """Render a thread."""
        return {
            "id": thread.id,
            "object": "thread",
            "created_at": int(thread.created_at),
            "metadata": thread.metadata,
            "tool_resources": thread.tool_resources,
        }

    def message(self, message: Message) -> JsonObject:
        """Render a message; recorded lists carry no `status`, though the published schema has one."""
        return {
            "id": message.id,
            "object": "thread.message",
            "created_at": int(message.created_at),
            "assistant_id": message.assistant_id,
            "thread_id": message.thread_id,
            "run_id": message.run_id,
            "role": message.role,
            "content": message.content,
            "attachments": message.attachments,
            "metadata": message.metadata,
        }

    def run(self, run: Run) -> JsonObject:
        """Render a run as it stands."""
        return {
            "id": run.id,
            "object": "thread.run",
            "created_at": int(run.created_at),
            "assistant_id": run.assistant_id,
            "thread_id": run.thread.id,
            "status": run.status,
            "started_at": None if run.started_at is None else int(run.started_at),
            "expires_at": None if run.status.terminal else int(run.expires_at),
            "cancelled_at": _ended(run, RunStatus.CANCELLED),
            "failed_at": _ended(run, RunStatus.FAILED),
            # Recorded incomplete runs carry completed_at too.
            "completed_at": _ended(run, RunStatus.COMPLETED, RunStatus.INCOMPLETE),
            "required_action": self.required_action(run),
            "last_error": self.last_error(run),
            **run.settings,
            "metadata": run.metadata,
            "incomplete_details": {"reason": run.end_code} if run.status is RunStatus.INCOMPLETE else None,
            "usage": run_usage(run),
        }

    def required_action(self, run: Run) -> JsonObject | None:
        """Render what a run waits for."""
        if run.status is not RunStatus.REQUIRES_ACTION:
            return None
        step = run.steps[-1]
        calls = self.tool_calls(run, step, with_outputs=False)
        if step.outputs:
            calls = [call for call, output in zip(calls, step.outputs, strict=True) if output is None]
        kind = "submit_tool_approval" if step.call and step.call.kind == "mcp" else "submit_tool_outputs"
        return {"type": kind, kind: {"tool_calls": calls}}

    def last_error(self, run: Run) -> JsonObject | None:
        """Render why a run failed."""
        if run.status is not RunStatus.FAILED:
            return None
        return {"code": run.end_code, "message": run.end_message}

    def tool_calls(self, run: Run, step: Step, *, with_outputs: bool) -> list[JsonObject]:
        """Render a step's tool calls; only a step shows outputs, null until they are submitted."""
        calls: list[JsonObject] = []
        for number, tool in enumerate(step.requests):
            kind = step.call.kind if step.call else "function"
            call: JsonObject = {"name": tool.name, "arguments": tool.arguments}
            if with_outputs:
                call["output"] = step.outputs[number] if step.outputs else None
            if kind == "connected_agent":
                call |= child_ids(run, step, number)
            flat = {**call, "server_label": tool.server_label}
            calls.append(
                {"id": step.call_ids[number], "type": kind, **(flat if kind == "mcp" else {kind: call})}
            )
        return calls

    def step(self, run: Run, step: Step) -> JsonObject:
        """Render a run step; the wire says `expires_at` where the published schema says `expired_at`."""
        details: JsonObject
        if step.call:
            details = {"type": "tool_calls", "tool_calls": self.tool_calls(run, step, with_outputs=True)}
        else:
            details = {"type": "message_creation", "message_creation": {"message_id": step.message_id}}
        return {
            "id": step.id,
            "object": "thread.run.step",
            "created_at": int(step.created_at),
            "run_id": run.id,
            "assistant_id": run.assistant_id,
            "thread_id": run.thread.id,
            "type": details["type"],
            "status": step.status,
            "cancelled_at": _ended(step, RunStatus.CANCELLED),
            "completed_at": _ended(step, RunStatus.COMPLETED),
            "expires_at": (
                int(run.expires_at)
                if step.status is RunStatus.IN_PROGRESS
                else _ended(step, RunStatus.EXPIRED)
            ),
            "failed_at": _ended(step, RunStatus.FAILED),
            "last_error": None,
            "step_details": details,
            "usage": step_usage(step),
        }


def child_ids(run: Run, step: Step, number: int) -> JsonObject:
    """Name the run that another agent did for this one (recorded replies of Azure)."""
    ids = {"run_id": "run", "thread_id": "thread", "assistant_id": "asst"}
    return {name: derived_id(prefix, step.id, number) for name, prefix in ids.items()}


def _ended(thing: Run | Step, *statuses: RunStatus) -> int | None:
    return int(thing.ended_at) if thing.ended_at is not None and thing.status in statuses else None
