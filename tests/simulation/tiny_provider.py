"""A provider in memory, pure and quick: threads with one active run each, and answers that get lost or come late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadrun.models import Message, Page, Run, RunStep
from threadrun.records import ProviderAnswer
from threadrun.request import RUN_KEY_METADATA, RunRequest
from worker.providers.base import Capabilities, No, Refusal, Reply, ToolOutput, Unknown, Yes

ANSWER = ProviderAnswer(200, "OK")
ACTIVE = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
LOST = Unknown("connection_lost", ANSWER)
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}

RUNS, STEPS, MESSAGES = Page[Run], Page[RunStep], Page[Message]

Rounds = Sequence[Sequence[str]]
"""The tools that a run asks for, round after round."""


@dataclass
class TinyRun:
    """One run as the provider has it."""

    id: str
    thread: str
    key: str
    assistant: str
    rounds: Rounds
    end: str = "completed"
    status: str = "queued"
    done: int = 0
    outputs: list[list[str]] = field(default_factory=list)

    def step(self) -> None:
        """Go one state further, except where it waits for outputs."""
        work = "requires_action" if self.done < len(self.rounds) else self.end
        following = {"queued": "in_progress", "in_progress": work, "cancelling": "cancelled"}
        self.status = following.get(self.status, self.status)

    def wire(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": self.id, "thread_id": self.thread, "assistant_id": self.assistant, "status": self.status,
            "created_at": 1_000, "expires_at": 1_600, "metadata": {RUN_KEY_METADATA: self.key}, "model": "m",
        }  # fmt: skip
        if self.status == "requires_action":
            calls = {"tool_calls": self.calls(self.done)}
            shown["required_action"] = {"type": "submit_tool_outputs", "submit_tool_outputs": calls}
        return shown if self.status in ACTIVE else shown | {"usage": USAGE}

    def calls(self, at: int) -> list[dict[str, Any]]:
        return [
            {"id": f"{self.id}_{at}_{i}", "type": "function", "function": {"name": name, "arguments": "{}"}}
            for i, name in enumerate(self.rounds[at])
        ]

    def steps(self) -> tuple[RunStep, ...]:
        asked = self.done + (self.status == "requires_action")
        return tuple(RunStep.from_wire(self._step(at)) for at in range(asked))

    def _step(self, at: int) -> dict[str, Any]:
        outputs = self.outputs[at] if at < self.done else [None] * len(self.rounds[at])
        calls = [
            {**call, "function": {**call["function"], "output": output}}
            for call, output in zip(self.calls(at), outputs, strict=True)
        ]
        status = "completed" if at < self.done else "in_progress"
        return {
            "id": f"step_{self.id}_{at}", "type": "tool_calls", "status": status,
            "step_details": {"type": "tool_calls", "tool_calls": calls},
        }  # fmt: skip


Io = Callable[[str, Callable[[], Any]], Awaitable[Any]]


class TinyProvider:
    """Answer the engine; what goes wrong on the way is the business of `io`."""

    def __init__(self, io: Io, rounds: Callable[[str], tuple[Rounds, str]]) -> None:
        self.capabilities = Capabilities()
        self._io = io
        self._rounds = rounds
        self.runs: dict[str, TinyRun] = {}
        self.threads = 0
        self.wrong: list[str] = []

    def make(self, thread: str, key: str, rounds: Rounds = (), assistant: str = "other") -> TinyRun | None:
        """Begin a run, unless the thread has an active one."""
        if any(run.thread == thread and run.status in ACTIVE for run in self.runs.values()):
            return None
        made = TinyRun(f"run_{len(self.runs) + 1}", thread, key, assistant, rounds)
        self.runs[made.id] = made
        return made

    async def create_thread(self, request: RunRequest, *, run_key: str) -> Reply[str]:
        def effect() -> Reply[str]:
            self.threads += 1
            return Yes(f"made_{self.threads}", ANSWER)

        return await self._request("create_thread", effect)

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        def effect() -> Reply[Run]:
            rounds, end = self._rounds(run_key)
            made = self.make(thread_id, run_key, rounds, request.assistant_id)
            if made is None:
                return No(Refusal.BUSY_THREAD, ANSWER)
            made.end = end
            return self._shown(made)

        return await self._request("create_run", effect)

    async def get_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        return await self._request("get_run", lambda: self._shown(self.runs[run_id]))

    async def list_runs(self, thread_id: str, *, after: str | None = None) -> Reply[Page[Run]]:
        def effect() -> Reply[Page[Run]]:
            listed = [Run.from_wire(run.wire()) for run in self.runs.values() if run.thread == thread_id]
            return Yes(RUNS(data=tuple(reversed(listed))), ANSWER)

        return await self._request("list_runs", effect)

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, outputs: Sequence[ToolOutput]
    ) -> Reply[Run]:
        def effect() -> Reply[Run]:
            run, sent = self.runs[run_id], [output.output for output in outputs]
            if run.status != "requires_action" or len(sent) != len(run.rounds[run.done]):
                return No(Refusal.WRONG_STATUS, ANSWER)
            run.outputs.append(sent)
            run.status, run.done = "queued", run.done + 1
            return self._shown(run)

        return await self._request("submit_tool_outputs", effect)

    async def cancel_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        def effect() -> Reply[Run]:
            run = self.runs[run_id]
            if run.status not in ACTIVE - {"cancelling"}:
                return No(Refusal.WRONG_STATUS, ANSWER)
            run.status = "cancelling"
            return self._shown(run)

        return await self._request("cancel_run", effect)

    async def list_steps(
        self, thread_id: str, run_id: str, *, after: str | None = None, include: Sequence[str] = ()
    ) -> Reply[Page[RunStep]]:
        return await self._request("list_steps", lambda: Yes(STEPS(data=self.runs[run_id].steps()), ANSWER))

    async def list_messages(
        self, thread_id: str, run_id: str, *, after: str | None = None
    ) -> Reply[Page[Message]]:
        return await self._request("list_messages", lambda: Yes(MESSAGES(data=()), ANSWER))

    async def close(self) -> None:
        return

    async def _request(self, operation: str, effect: Callable[[], Any]) -> Any:
        return await self._io(f"http {operation}", effect)

    def _shown(self, run: TinyRun) -> Reply[Run]:
        return Yes(Run.from_wire(run.wire()), ANSWER)
