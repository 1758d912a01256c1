"""A provider in memory that does what a test tells it, counts what it did, and lets the test in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from threadrun.models import Message, Page, Run, RunStep
from threadrun.records import ProviderAnswer
from threadrun.request import RUN_KEY_METADATA, RunRequest
from worker.providers.base import Capabilities, No, Refusal, Reply, ToolOutput, Yes

ANSWER = ProviderAnswer(200, "OK")
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}

Hook = Callable[[str, str], Awaitable[None]]
"""Awaited with the operation's name and `before` or `after` its effect."""


async def _let_pass(_operation: str, _when: str) -> None:
    return


class ScriptedProvider:
    """Hold runs; each read of one shows it one step further.

    A run is queued, then in_progress, then requires_action for each of its rounds, then it ends.
    """

    def __init__(self, *rounds: Sequence[str], end: str = "completed") -> None:
        self.capabilities = Capabilities()
        self.rounds = rounds
        self.end = end
        self.hook: Hook = _let_pass
        self.answers: dict[str, list[Reply[Any]]] = {}
        """Answers to give, once each, in place of doing what was asked."""
        self.requests: list[str] = []
        self.threads: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.submitted: list[list[ToolOutput]] = []
        self.cancels = 0
        self.cancelling_reads = 1
        self.usage: dict[str, int] | None = USAGE

    async def create_thread(self, request: RunRequest, *, run_key: str) -> Reply[str]:
        def effect() -> Reply[str]:
            self.threads.append(f"thread_{len(self.threads) + 1}")
            return Yes(self.threads[-1], ANSWER)

        return await self._request("create_thread", effect)

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        def effect() -> Reply[Run]:
            run_id = f"run_{len(self.runs) + 1}"
            metadata = {RUN_KEY_METADATA: run_key}
            self.runs[run_id] = {
                "id": run_id, "thread_id": thread_id, "assistant_id": request.assistant_id, "status": "queued",
                "created_at": 1_000, "expires_at": 1_600, "metadata": metadata, "model": "gpt", "done": 0,
            }  # fmt: skip
            return Yes(self._shown(run_id), ANSWER)

        return await self._request("create_run", effect)

    async def get_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        def effect() -> Reply[Run]:
            self._step(self.runs[run_id])
            return Yes(self._shown(run_id), ANSWER)

        return await self._request("get_run", effect)

    async def list_runs(self, thread_id: str, *, after: str | None = None) -> Reply[Page[Run]]:
        def effect() -> Reply[Page[Run]]:
            listed = [self._shown(i) for i, run in self.runs.items() if run["thread_id"] == thread_id]
            return Yes(Page[Run](data=tuple(reversed(listed))), ANSWER)

        return await self._request("list_runs", effect)

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, outputs: Sequence[ToolOutput]
    ) -> Reply[Run]:
        def effect() -> Reply[Run]:
            run = self.runs[run_id]
            if run["status"] != "requires_action":
                return No(Refusal.WRONG_STATUS, ProviderAnswer(400, "Bad Request"))
            self.submitted.append(list(outputs))
            run |= {"status": "queued", "done": run["done"] + 1}
            return Yes(self._shown(run_id), ANSWER)

        return await self._request("submit_tool_outputs", effect)

    async def cancel_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        def effect() -> Reply[Run]:
            run = self.runs[run_id]
            if run["status"] not in {"queued", "in_progress", "requires_action"}:
                return No(Refusal.WRONG_STATUS, ProviderAnswer(400, "Bad Request"))
            self.cancels += 1
            run |= {"status": "cancelling"}
            return Yes(self._shown(run_id), ANSWER)

        return await self._request("cancel_run", effect)

    async def list_steps(
        self, thread_id: str, run_id: str, *, after: str | None = None, include: Sequence[str] = ()
    ) -> Reply[Page[RunStep]]:
        return await self._request(
            "list_steps", lambda: Yes(Page[RunStep](data=self._steps(self.runs[run_id])), ANSWER)
        )

    async def list_messages(
        self, thread_id: str, run_id: str, *, after: str | None = None
    ) -> Reply[Page[Message]]:
        said = Message.from_wire({"id": "msg_1", "role": "assistant", "content": "done"})
        return await self._request("list_messages", lambda: Yes(Page[Message](data=(said,)), ANSWER))

    async def close(self) -> None:
        return

    async def _request(self, operation: str, effect: Callable[[], Reply[Any]]) -> Reply[Any]:
        self.requests.append(operation)
        await self.hook(operation, "before")
        planned = self.answers.get(operation)
        reply = planned.pop(0) if planned else effect()
        await self.hook(operation, "after")
        return reply

    def _step(self, run: dict[str, Any]) -> None:
        following = {"queued": "in_progress", "in_progress": self._after_work(run)}
        if run["status"] == "cancelling":
            self.cancelling_reads -= 1
            following["cancelling"] = "cancelled" if self.cancelling_reads <= 0 else "cancelling"
        run["status"] = following.get(run["status"], run["status"])

    def _after_work(self, run: dict[str, Any]) -> str:
        return "requires_action" if run["done"] < len(self.rounds) else self.end

    def _shown(self, run_id: str) -> Run:
        run = self.runs[run_id]
        wire = {name: value for name, value in run.items() if name != "done"}
        if run["status"] == "requires_action":
            wire["required_action"] = {
                "type": "submit_tool_outputs",
                "submit_tool_outputs": {"tool_calls": self._calls(run["done"])},
            }
        if Run.from_wire(wire).terminal:
            wire["usage"] = self.usage
        return Run.from_wire(wire)

    def _calls(self, at: int) -> list[dict[str, Any]]:
        return [
            {"id": f"call_{at}_{i}", "type": "function", "function": {"name": name, "arguments": "{}"}}
            for i, name in enumerate(self.rounds[at])
        ]

    def _steps(self, run: dict[str, Any]) -> tuple[RunStep, ...]:
        waits = run["status"] == "requires_action"
        return tuple(self._step_of(at, at < run["done"]) for at in range(run["done"] + waits))

    def _step_of(self, at: int, answered: bool) -> RunStep:
        outputs = [output.output for output in self.submitted[at]] if answered else []
        calls = [
            {**call, "function": {**call["function"], "output": outputs[i] if answered else None}}
            for i, call in enumerate(self._calls(at))
        ]
        details = {"type": "tool_calls", "tool_calls": calls}
        status = "completed" if answered else "in_progress"
        return RunStep.from_wire(
            {"id": f"step_{at}", "type": "tool_calls", "status": status, "step_details": details}
        )
