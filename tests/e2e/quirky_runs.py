"""Runs that meet a quirk, if the server has it: each is enqueued, disturbed where it says so, and left to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from threadrun import RunClient, RunRecord
from threadrun.status import RunStatus
from threadrun.testing import FaultPlan, FaultRule, RunServer
from threadrun.testing.faults import Fault

ASSISTANT = "asst_demo"
HEADERS = {"authorization": "Bearer another", "openai-beta": "assistants=v2"}
PATIENCE_SECONDS = 60
TOOLS = ["plus", "gated"]


@dataclass(frozen=True)
class Scene:
    """One server, and the profile that leads to it."""

    client: RunClient
    server: RunServer
    profile: str
    gates: Path

    def key(self, kind: str) -> str:
        return f"{self.profile}-{kind}"

    def enqueue(self, kind: str, script: str, **options: Any) -> str:
        key = self.key(kind)
        request = {"messages": script, "tools": TOOLS, "profile": self.profile, **options}
        self.client.enqueue(ASSISTANT, idempotency_key=key, **request)
        return key

    def cancel(self, key: str) -> None:
        self.client.cancel(key)

    def run_ids(self, key: str) -> list[str]:
        created = self.server.effects("run.created")
        return [effect.run_id for effect in created if effect.threadrun_key == key and effect.run_id]

    def until(self, key: str, *statuses: RunStatus) -> dict[str, Any]:
        """Wait until the server's run has one of these statuses."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.run_ids(key)) or self.server.run(found[0])["status"] not in statuses:
            assert time.monotonic() < give_up_at, f"{key} never was {statuses}"
            time.sleep(0.02)
        return self.server.run(found[0])

    def until_entered(self, key: str) -> dict[str, Any]:
        """Wait until a handler waits at the run's gate; give the run."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not (self.gates / f"{key}.entered").exists():
            assert time.monotonic() < give_up_at, f"no handler works for {key}"
            time.sleep(0.02)
        return self.until(key, RunStatus.REQUIRES_ACTION)

    def open_gate(self, key: str) -> None:
        (self.gates / key).touch()

    def post(self, run: dict[str, Any], action: str, body: Any = None) -> int:
        """Ask for something as another client does."""
        url = f"{self.server.base_url}/threads/{run['thread_id']}/runs/{run['id']}/{action}"
        return httpx.post(url, json=body, headers=HEADERS, trust_env=False).status_code

    def answer(self, run: dict[str, Any], *outputs: str) -> int:
        """Answer the run's first calls in threadrun's place."""
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        given = [
            {"tool_call_id": call["id"], "output": said} for call, said in zip(calls, outputs, strict=False)
        ]
        return self.post(run, "submit_tool_outputs", {"tool_outputs": given})


def answered(scene: Scene) -> None:
    """Two rounds of calls; then a second run on the same thread."""
    script = 'call plus {"a": 1, "b": 2} and plus {"a": 3, "b": 4}\ncall plus {"a": 5, "b": 5}\nsay $1'
    first = scene.enqueue("answered", script)
    thread_id = scene.until(first, RunStatus.COMPLETED)["thread_id"]
    scene.enqueue("second", "say again", thread_id=thread_id)


def cancelled_in_queue(scene: Scene) -> None:
    """Cancelled while the model has not begun."""
    key = scene.enqueue("cancelled_in_queue", "queue 1.5\nthink 60\nsay never")
    scene.until(key, RunStatus.QUEUED)
    scene.cancel(key)


def cancelled_at_tools(scene: Scene) -> None:
    """Cancelled while it waits for an output."""
    key = scene.enqueue("cancelled_at_tools", "call gated\nthink 60\nsay never")
    scene.until_entered(key)
    scene.cancel(key)


def cancelled_too_late(scene: Scene) -> None:
    """Cancelled when it has ended and nobody knows yet; see `faults`."""
    key = scene.enqueue("cancelled_too_late", "say done")
    scene.until(key, RunStatus.COMPLETED)
    scene.cancel(key)


def lost_create(scene: Scene) -> None:
    """The answer to its create is lost; see `faults`."""
    scene.enqueue("lost_create", "say found")


def lost_submit(scene: Scene) -> None:
    """The answer to its outputs is lost; see `faults`."""
    scene.enqueue("lost_submit", 'call plus {"a": 2, "b": 2}\nsay $1')


def answered_by_another(scene: Scene) -> None:
    """Another client answers first, and the model works on."""
    key = scene.enqueue("answered_by_another", "call gated\nthink 2\nsay $1")
    assert scene.answer(scene.until_entered(key), "mine") == 200
    scene.open_gate(key)


def answered_in_part_by_another(scene: Scene) -> None:
    """Another client answers one of two calls, and the run goes on asking for the other one."""
    key = scene.enqueue("answered_in_part_by_another", 'call plus {"a": 1, "b": 1} and gated\nsay $1, $2')
    assert scene.answer(scene.until_entered(key), "mine") == 200
    scene.open_gate(key)


def asked_again_meanwhile(scene: Scene) -> None:
    """Another client answers first, and the model already asks for something else."""
    script = 'call gated\ncall plus {"a": 1, "b": 1}\nsay $1'
    key = scene.enqueue("asked_again_meanwhile", script)
    before = scene.until_entered(key)
    assert scene.answer(before, "mine") == 200
    while scene.until(key, RunStatus.REQUIRES_ACTION)["required_action"] == before["required_action"]:
        time.sleep(0.02)
    scene.open_gate(key)


def cancelled_by_another(scene: Scene) -> None:
    """Another client cancels it while a handler works."""
    key = scene.enqueue("cancelled_by_another", "call gated\nthink 60\nsay never")
    assert scene.post(scene.until_entered(key), "cancel") == 200
    scene.until(key, RunStatus.CANCELLED)
    scene.open_gate(key)


KINDS: dict[str, Callable[[Scene], None]] = {
    kind.__name__: kind
    for kind in (
        answered, cancelled_in_queue, cancelled_at_tools, cancelled_too_late, lost_create, lost_submit,
        answered_by_another, answered_in_part_by_another, asked_again_meanwhile, cancelled_by_another,
    )
}  # fmt: skip


def faults(profile: str, *more: FaultRule) -> FaultPlan:
    """Give the faults that some kinds need."""

    def of(kind: str, fault: Fault, operation: str, **rule: Any) -> FaultRule:
        return FaultRule(fault=fault, operation=operation, run_key=f"{profile}-{kind}", **rule)

    return FaultPlan(
        [
            of("lost_create", Fault.CONNECTION_CLOSED, "create_run", times=1),
            of("lost_submit", Fault.CONNECTION_CLOSED, "submit", times=1),
            of("cancelled_too_late", Fault.STALE_READ, "get_run", seconds=3),
            *more,
        ]
    )


def counted(usage: dict[str, Any] | None) -> tuple[int, int, int] | None:
    """Give the three counts of a usage."""
    if usage is None:
        return None
    return usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]


def usage_at(scene: Scene, record: RunRecord) -> tuple[tuple[int, ...] | None, str]:
    """Give the usage that the server shows, and where: of the run, else the sum of its steps'."""
    run_id = record.run_id or ""
    if (whole := counted(scene.server.run(run_id)["usage"])) is not None:
        return whole, "run"
    parts = [counted(step.get("usage")) for step in scene.server.steps(run_id)]
    known = [part for part in parts if part is not None]
    return (tuple(map(sum, zip(*known, strict=True))), "steps") if known else (None, "")
