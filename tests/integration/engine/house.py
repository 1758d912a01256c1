"""A deployment in one process: an engine over a real store, a scripted provider, and workers made of the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from tests.integration.backend import Backend
from tests.integration.carrying import claim_call, settle
from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.client import RunClient
from threadrun.records import RunRecord
from threadrun.status import Stage
from worker.backoff import Fixed
from worker.decide.rules import Rules
from worker.desk import Desk, ServedTools
from worker.engine import Engine
from worker.observer import Observer
from worker.outbox import Outbox
from worker.permits import Limits, Permits
from worker.providers.watched import WatchedProvider
from worker.publisher import Message
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore

RULES = Rules(poll=Fixed(1_000, jitter=0))
PROFILE = "default"
SERVED = {"add": False, "look": True}
"""The tools in the catalogue, and whether they are idempotent."""
CHOOSING = {"charge": "park", "pay": "fail"}
"""Tools that do not want the model told of an unknown outcome."""


class Died(BaseException):
    """The process is gone, here and now."""


class Fate:
    """Count the steps of a life; at the chosen ones the process dies."""

    def __init__(self, *die_at: int) -> None:
        self.die_at = die_at
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) in self.die_at:
            raise Died(name)


class FatefulStore(RunStore):
    """A store whose process can die before a write, or after it."""

    fate = Fate()

    async def commit(self, *args: Any) -> Any:
        return await self._write("commit", super().commit(*args))

    async def finish(self, *args: Any) -> Any:
        return await self._write("finish", super().finish(*args))

    async def told(self, *args: Any) -> Any:
        return await self._write("told", super().told(*args))

    async def _write(self, name: str, write: Any) -> Any:
        try:
            self.fate.step(f"{name} before")
        except Died:
            write.close()
            raise
        written = await write
        self.fate.step(f"{name} after")
        return written


class RecordingOutbox:
    """Keep what was sent; `down` makes the broker refuse."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.down = False

    def send(self, message: Message) -> Future[None]:
        future: Future[None] = Future()
        if self.down:
            future.set_exception(ConnectionError("no broker"))
            return future
        self.sent.append(message)
        future.set_result(None)
        return future

    def take(self, task: str) -> list[Message]:
        taken = [message for message in self.sent if message.task == task]
        self.sent = [message for message in self.sent if message.task != task]
        return taken


class House:
    """Serve stages by hand and turn the clock."""

    def __init__(self, backend: Backend, provider: ScriptedProvider, rules: Rules = RULES) -> None:
        self.backend = backend
        self.provider = provider
        self.rules = rules
        self.limits = Limits()
        self.seconds = 1_000.0
        self.outbox = RecordingOutbox()
        self.fate = Fate()
        self.entered: list[CallAddress] = []
        self.client: RunClient = backend.client()
        self.store = self.new_store()
        self.observer = self.new_observer()
        for name, idempotent in SERVED.items():
            entry = {"queue": "tools", "timeout_seconds": 60.0, "idempotent": idempotent}
            backend.sync.hset(backend.keys.tools(), name, json.dumps(entry))
        for name, choice in CHOOSING.items():
            entry = {"queue": "tools", "timeout_seconds": 60.0, "idempotent": False, "on_unknown": choice}
            backend.sync.hset(backend.keys.tools(), name, json.dumps(entry))

    # The parts.

    def new_store(self) -> FatefulStore:
        store = FatefulStore(self.backend.async_redis(), self.backend.keys, clock_key=self.backend.clock_key)
        store.fate = self.fate
        return store

    def new_observer(self) -> Observer:
        return Observer(5, 15, monotonic=lambda: self.seconds)

    def desk(self, **parts: Any) -> Desk:
        permits = Permits(PROFILE, self.store.gates, self.limits)
        desk = Desk(
            store=self.store,
            provider=WatchedProvider(self.provider, permits),
            rules=self.rules,
            tools=ServedTools(self.backend.async_redis(), self.backend.keys),
            observer=self.observer,
            outbox=cast(Outbox, self.outbox),
            permits=permits,
            retention_ms=7 * 86_400_000,
            max_output_total_bytes=512 * 1024,
        )
        return replace(desk, **parts)

    def engine(self, slots: int = 20, **parts: Any) -> Engine:
        return Engine(self.desk(**parts), PROFILE, slots, 100)

    def doom(self, *die_at: int) -> None:
        self.fate.die_at = die_at

    # The clock.

    def monotonic_module(self) -> Any:
        """Stand in for `time` where Redis's clock is carried on."""
        return SimpleNamespace(monotonic=lambda: self.seconds)

    def turn(self, seconds: float) -> None:
        self.seconds += seconds
        self.backend.turn(seconds)

    def due(self) -> dict[Stage, float]:
        """Say in how many seconds each stage has something due."""
        now, found = self.backend.now_ms(), {}
        for stage in Stage:
            first = self.backend.sync.zrange(self.backend.keys.agenda(stage, PROFILE), 0, 0, withscores=True)
            if first:
                found[stage] = (first[0][1] - now) / 1000
        return found

    # Work.

    async def serve(self, stage: Stage, engine: Engine | None = None) -> int:
        """Serve a wake-up to the end of everything that it began; gives how many runs it claimed."""
        engine = engine or self.engine()
        claimed = await engine.serve(stage)
        await engine.finish()
        return claimed

    async def serve_due(self) -> bool:
        """Serve what is due once, as far as nobody dies."""
        stages = [stage for stage, seconds in self.due().items() if seconds <= 0]
        for stage in stages:
            try:
                await self.serve(stage)
            except Died:
                continue
        return bool(stages)

    @asynccontextmanager
    async def lost(self, key: str) -> AsyncIterator[None]:
        """Have Redis lose what is written of a run meanwhile, as at a failover."""
        redis, record = self.backend.sync, self.backend.keys.run(key)
        fields, agendas = redis.hgetall(record), self.backend.dump("agenda:")
        yield
        redis.delete(record)
        redis.hset(record, mapping=fields)
        for stage in Stage:
            redis.delete(self.backend.keys.agenda(stage, PROFILE))
        for name, entries in agendas.items():
            redis.zadd(self.backend.prefix + name, dict(entries))

    async def run_handlers(self) -> None:
        """Do what the tools workers do with the messages that were sent."""
        for message in self.outbox.take("tools.execute"):
            at = CallAddress(*message.args)
            token = f"token{len(self.entered)}"
            if (await claim_call(self.store, at, token)).verdict == "yes":
                self.entered.append(at)
                await settle(self.store, at, token, output=f"out{at.round}.{at.index}")

    async def carry(self, until: Stage | None = None, most: int = 200) -> None:
        """Turn the clock to each next event until nothing is left to do, or a run is in a stage."""
        for _ in range(most):
            if until is not None and until in self.due():
                return
            await self.run_handlers()
            if until is not None and until in self.due():
                return
            if await self.serve_due():
                continue
            left = self.due()
            if not left:
                return
            self.turn(max(0.001, min(left.values())))
        raise AssertionError(f"no end in sight: {self.due()}")

    # What came of it.

    def enqueue(self, **options: Any) -> str:
        return self.client.enqueue("asst", **{"messages": "hello", **options}).key

    def record(self, key: str) -> RunRecord:
        return self.client.get(key)

    def events(self, key: str) -> list[str]:
        return [event.type for event in self.record(key).transitions]

    def stored(self, key: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.backend.sync.hgetall(self.backend.keys.run(key))
        return found
