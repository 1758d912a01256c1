"""A Redis in which runs stand at every stage, and the command line pointed at it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.carrying import claim_call, claim_one, created, ended, move, opened, settle, shown
from threadrun.cli import run
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.redis_clients import connect, connect_async
from threadrun.status import Outcome, Stage
from worker.decide.decision import Event
from worker.heartbeat import Heartbeat, Served
from worker.observer import Observer
from worker.store.ledger import CallAddress
from worker.store.runs import Final, RunStore
from worker.store.writes import event_body

ADD = {
    "name": "add",
    "definition": {"type": "function", "function": {"name": "add", "description": "Add.\n\nNumbers."}},
    "queue": "tools",
    "timeout_seconds": 60.0,
    "idempotent": False,
    "retries": 0,
    "max_output_bytes": 1000,
}
SECRET = "what the user asked"
ANSWER = "what the model said"


@dataclass
class Told:
    """Hold what a command wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Scene:
    """Stage runs and run commands."""

    url: str
    prefix: str
    capture: pytest.CaptureFixture[str]
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keys(self.prefix)
        self.redis = connect(self.url)
        self.client = RunClient(self.redis, key_prefix=self.prefix)

    def cli(self, *arguments: str) -> Told:
        self.capture.readouterr()
        code = run(arguments)
        return Told(code, *self.capture.readouterr())

    def play(self, act: Callable[[RunStore], Awaitable[None]]) -> None:
        """Let the engine's store write."""

        async def played() -> None:
            redis = connect_async(self.url)
            try:
                await act(RunStore(redis, self.keys))
            finally:
                await redis.aclose()

        asyncio.run(played())

    def workers(self, *, tools: bool = True) -> None:
        """Let workers say that they live."""
        self._beat(Served("runs@vm/1", {"kind": "runs", "host": "vm", "pid": "7"}, profiles=["default"]))
        if tools:
            self._beat(Served("tools@vm/1", {"kind": "tools", "host": "vm", "pid": "8"}, tools={"add": ADD}))

    def _beat(self, served: Served) -> None:
        Heartbeat(self.redis, self.keys, served, Observer(5, 15), 5).beat()

    def enqueue(self, key: str, **options: Any) -> str:
        return self.client.enqueue("asst_1", messages=SECRET, idempotency_key=key, **options).key

    def polled(self, key: str, thread_id: str = "thread_1") -> None:
        """Stage a run that the provider works at."""
        self.enqueue(key)
        self.play(lambda store: _polled(store, thread_id))

    def in_tools(self, key: str, *, claim: bool) -> None:
        """Stage a run with one tool call, claimed by a worker or not."""
        self.polled(key)

        async def act(store: RunStore) -> None:
            until_ms = int(float(self.redis.time()[0])) * 1000 + 600_000  # type: ignore[index]
            run_view = await opened(store, 0, 1, until_ms=until_ms)
            if claim:
                at = CallAddress(key, run_view.round + 1, 0)
                assert (await claim_call(store, at, "token", worker="tools@vm/1")).verdict == "yes"

        self.play(act)

    def finish(self, key: str, outcome: Outcome = Outcome.COMPLETED) -> None:
        """End a run that the provider works at."""

        async def act(store: RunStore) -> None:
            run_view = await claim_one(store, Stage.POLL)
            assert run_view.key == key
            status = outcome.value
            await move(store, run_view, Stage.POLL, run=shown(status))
            assert (await ended(store, await claim_one(store, Stage.POLL), outcome)).ok
            closing = await claim_one(store, Stage.FINALIZE)
            assert (await store.finish(closing, _final(closing.claim, outcome))).ok

        self.play(act)

    def finish_once_watched(self, key: str) -> None:
        """End a run as soon as the command line has connected and so has seen it open."""
        self.wait_for_the_command_line()
        self.finish(key)

    def wait_for_the_command_line(self) -> None:
        """Wait until a command has connected."""
        until = time.monotonic() + 20
        while not any(client["name"] == "threadrun-cli" for client in self.redis.client_list()):
            assert time.monotonic() < until
            time.sleep(0.01)

    def finished(self, key: str, outcome: Outcome = Outcome.COMPLETED) -> None:
        """Stage a finished run."""
        self.polled(key)
        self.finish(key, outcome)

    def finished_with_a_tool(self, key: str) -> None:
        """Stage a finished run whose one tool call was settled and submitted."""
        self.in_tools(key, claim=True)

        async def act(store: RunStore) -> None:
            await settle(store, CallAddress(key, 1, 0), "token", output="what the tool gave")
            sent = Event("tool_outputs.submitted", {"round": 1, "outputs": 1})
            await move(
                store,
                await claim_one(store, Stage.SUBMIT),
                Stage.POLL,
                facts={"submitted:1": "run_1"},
                fact_events=(sent,),
                submitted=(0,),
                run=shown("in_progress"),
                polls=1,
                requests=1,
            )

        self.play(act)
        self.finish(key)


async def _polled(store: RunStore, thread_id: str) -> None:
    await created(store, thread_id=thread_id)


def _final(claim: int, outcome: Outcome) -> Final:
    text = {"type": "text", "text": {"value": ANSWER, "annotations": []}}
    message = {"id": "msg_1", "role": "assistant", "content": [text]}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return Final(
        outcome=outcome,
        fields={
            "steps": "[]",
            "messages": json.dumps([message]),
            "missing": "[]",
            "usage": json.dumps(usage),
            "usage_source": "run",
        },
        event=event_body(Event("run.finished", {"outcome": outcome.value})),
        day="2026-09-21",
        counters={},
        retention_ms=60_000,
        op=f"{claim}.finish",
    )
