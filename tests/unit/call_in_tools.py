"""Bring runs to stage tools over fakeredis, as the engine would, for those who test what runs the calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer

from tests.integration.carrying import claim_one, created, move
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.records import RunRecord, ToolCallRecord
from threadrun.status import CallState, Stage
from worker.decide.decision import NewCall
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore
from worker.view import RunView

OPTIONS: dict[str, Any] = {"decode_responses": True, "protocol": 2}
WORKER = "tools@here/1"


class Ledgerful:
    """Hold a fakeredis with one run in stage tools."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.keys = Keys("t:")
        self.redis = FakeRedis(server=self.server, **OPTIONS)
        self.client = RunClient(self.redis, key_prefix=self.keys.prefix)

    def call(
        self,
        tool: str,
        arguments: object = None,
        *,
        until_seconds: float = 600.0,
        sent: bool = False,
        **row: Any,
    ) -> CallAddress:
        """Enqueue a run and open a round with one call of a tool, whose message was sent or is still to be."""
        key = self.client.enqueue("asst", messages="hi", metadata={"unit": "celsius"}).key
        text = json.dumps(arguments or {})
        opened = NewCall(0, "call_1", "function", tool, text, CallState.PENDING, **row)
        self.with_store(lambda store: self._open(store, opened, until_seconds))
        if sent:
            seconds, _ = self.redis.time()
            self.redis.hset(self.keys.calls(key), mapping={"1:0:sends": 1, "1:0:sent_ms": seconds * 1000})
        return CallAddress(key, 1, 0)

    async def _open(self, store: RunStore, opened: NewCall, until_seconds: float) -> None:
        await created(store, thread_id="thread_1")
        run = await claim_one(store, Stage.POLL)
        seconds, micro = self.redis.time()
        until_ms = int(seconds * 1000 + micro / 1000 + until_seconds * 1000)
        assert (await move(store, run, Stage.TOOLS, 60_000, opened=(opened,), tools_until_ms=until_ms)).ok

    def with_store(self, act: Callable[[RunStore], Coroutine[Any, Any, Any]]) -> Any:
        """Do something on the engine's side."""

        async def acting() -> Any:
            client = FakeAsyncRedis(server=self.server, **OPTIONS)
            try:
                return await act(RunStore(client, self.keys))
            finally:
                await client.aclose()

        return asyncio.run(acting())

    def leave_tools(self, stage: Stage = Stage.CANCEL) -> RunView:
        """Move the run on, as a cancel would."""

        async def leaving(store: RunStore) -> RunView:
            self.redis.zadd(self.keys.agenda(Stage.TOOLS, "default"), dict.fromkeys(self._in_tools(), 0))
            run = await claim_one(store, Stage.TOOLS)
            assert (await move(store, run, stage, 60_000, withdraw=True)).ok
            return run

        found: RunView = self.with_store(leaving)
        return found

    def _in_tools(self) -> list[str]:
        found: list[str] = self.redis.zrange(self.keys.agenda(Stage.TOOLS, "default"), 0, -1)
        return found

    def record(self, at: CallAddress) -> RunRecord:
        return self.client.get(at.run_key)

    def row(self, at: CallAddress) -> ToolCallRecord:
        return self.record(at).tool_calls[at.index]

    def events(self, at: CallAddress) -> list[str]:
        return [event.type for event in self.record(at).transitions]
