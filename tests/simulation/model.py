"""The whole engine as a state machine: what is delivered, lost, doubled, stalled and killed is hypothesis's choice.

Store, agenda, ledger, decide and engine are threadrun's own over a real Redis; provider, broker, handlers and
clocks are models.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from redis import Redis
from redis.exceptions import RedisError

from tests.simulation import furnish
from tests.simulation.deployment import START_MS
from tests.simulation.furnish import PROFILE
from tests.simulation.ground import Ground
from tests.simulation.orders import ORDER, Mishap, Order, Way
from tests.simulation.seam import Died, SeamOutbox, SeamRedis
from tests.simulation.tiny_provider import Rounds, TinyProvider
from tests.simulation.turned_time import turned_time
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.status import Stage
from worker.backoff import Fixed
from worker.decide.decision import Event
from worker.decide.rules import Rules
from worker.observer import Observer
from worker.publisher import Message
from worker.store.ledger import CallAddress, CallResult, call_claim
from worker.store.writes import event_body
from worker.tick import TASK_OF_STAGE, Tick
from worker.twin_finder import TwinFinder

RULES = Rules(poll=Fixed(2_000, jitter=0))
RUN_KEYS = ("a", "b", "c")
IDEMPOTENT = {"add": False, "look": True}
ROUNDS: tuple[Rounds, ...] = ((["add"],), (["add", "look"],), (["look"], ["add"]), ())
ENDS = ("completed", "completed", "failed", "expired")
MOST_SECONDS = 1_500.0
"""More virtual time than any run may take once the chaos is over."""

MOST_ROUNDS = 5_000
"""More looks around than they take."""

MOST_TURNS = 300
"""More turns of the loop than any work here takes: no I/O waits for anything."""

TRIES = st.sampled_from([Mishap.NONE] * 12 + list(Mishap))
MANY = st.integers(0, 63)
Delivery = tuple[int, int, Mishap, str]
DELIVERIES = st.lists(
    st.tuples(MANY, st.integers(1, 9), TRIES, st.sampled_from(["once"] * 4 + ["twice", "lost"])),
    min_size=2, max_size=6,
)  # fmt: skip
SECONDS = st.sampled_from([0.3, 1, 2, 2, 5, 16, 21, 60])
RARELY = st.sampled_from([False, False, False, True])
STAGE_OF_TASK = {task: stage for stage, task in TASK_OF_STAGE.items()}
AGENDAS = [stage for stage in Stage if stage is not Stage.DONE]

_TWINS = Message("look for twins")
_LOOKS = Message("look at attended runs")
"""Not a message in truth: every worker looks for twins once a second."""


class Model(RuleBasedStateMachine):
    """Runs, workers and a provider to whom anything may happen; once nothing more does, every run ends."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground, self.redis, self.keys = ground, ground.redis, Keys("m:")
        self.clock_key = "clock-of-m"
        self.redis.flushdb()
        self.redis_ms, self.ahead_ms, self.clock_was_set = START_MS, 0, False
        self.set_redis(0)
        self.seconds = 1_000.0
        self.plans: dict[str, tuple[Rounds, str]] = {}
        self.bag: list[Message] = []
        self.entered: list[tuple[str, CallAddress]] = []
        self.final: dict[str, str] = {}
        self.events: dict[str, int] = {}
        self.tokens = self.machines = 0
        self.way = Way(lambda: self.seconds)
        self._time = turned_time(lambda: self.seconds, self.turn)
        self._time.__enter__()
        self._furnish()

    def _furnish(self) -> None:
        direct = cast(Redis, SeamRedis(self.redis, lambda _, effect: effect(), self.clock_key))
        seam = SeamRedis(self.redis, self.way.io, self.clock_key)
        self.client = RunClient(direct, key_prefix=self.keys.prefix)
        self.provider = TinyProvider(self.way.io, self.plans.__getitem__)
        self.observer = Observer(5, 15, monotonic=lambda: self.seconds)
        self.store = furnish.WatchedStore(seam, self.keys)
        outbox = SeamOutbox(self.bag.append, cast(Any, _Free()))
        desk = furnish.desk(self.store, seam, self.provider, RULES, self.observer, outbox, "runs1")
        self.ticker = Tick(
            direct, self.keys, [PROFILE], cast(Any, outbox), tick_ms=50, retention_seconds=604_800,
            watch=self.observer.clock, look=self._note_looks,
        )  # fmt: skip
        self.engine, self.finder = furnish.engine(desk), TwinFinder(desk, PROFILE)
        for name, idempotent in IDEMPOTENT.items():
            entry = {"queue": "tools", "timeout_seconds": 60.0, "idempotent": idempotent}
            self.redis.hset(self.keys.tools(), name, json.dumps(entry))
        self.tools_start()

    # What can happen.

    @initialize(
        chosen=st.lists(
            st.tuples(
                st.sampled_from(["", "t1", "t1"]), st.sampled_from(ROUNDS), st.sampled_from(ENDS),
                st.booleans(), st.sampled_from([600, 600, 40]),
            ),
            min_size=2, max_size=3,
        )
    )  # fmt: skip
    def begin(self, chosen: list[tuple[str, Rounds, str, bool, int]]) -> None:
        for key, plan in zip(RUN_KEYS, chosen, strict=False):
            self.enqueue(key, *plan)

    def enqueue(self, key: str, thread: str, rounds: Rounds, end: str, tells: bool, deadline: int) -> None:
        self.plans[key] = (rounds, end)
        options: dict[str, Any] = {"thread_id": thread} if thread else {}
        options |= {"on_done": "shop.done"} if tells else {}
        self.client.enqueue("asst", idempotency_key=key, messages="x", deadline_seconds=deadline, **options)

    @rule(seconds=SECONDS, blind=RARELY, steps=st.integers(0, 2), deliveries=DELIVERIES)
    def go_on(self, seconds: float, blind: bool, steps: int, deliveries: list[Delivery]) -> None:
        """Turn the clocks, let the provider work, tick, and deliver some of what is in the bag.

        Blind workers see nothing of Redis while the time passes. A message may come twice, or be lost.
        """
        self.turn(seconds, blind=blind)
        for run in self.provider.runs.values():
            for _ in range(steps):
                run.step()
        for nth, at, mishap, disposal in deliveries:
            if self.bag or self.go_to_next_due():
                message = self.bag.pop(nth % len(self.bag))
                if disposal != "lost":
                    self.deliver(message, at, mishap)
                if disposal == "twice":
                    self.bag.append(message)

    @rule(seconds=SECONDS, blind=RARELY, steps=st.integers(0, 2), deliveries=DELIVERIES)
    def and_on(self, **how: Any) -> None:
        """Do the same; twice, because hypothesis leaves rules out at random."""
        self.go_on(**how)

    @rule(nth=MANY, alive=st.booleans())
    def let_go(self, nth: int, alive: bool) -> None:
        """Let somebody who stalls go on, or die; nobody: deliver what is due.

        No rule has a precondition: what hypothesis may draw must not depend on what runs and workers did.
        """
        if self.way.stalled:
            self.way.let_go(self.way.stalled[nth % len(self.way.stalled)], alive=alive)
            self.ground.loop.run_until_complete(self._settle())
        elif self.bag or self.go_to_next_due():
            self.deliver(self.bag.pop(nth % len(self.bag)))

    @rule(
        what=st.sampled_from(["cancel", "late", "machine", "somebody", "clock"]),
        key=st.sampled_from(RUN_KEYS),
    )
    def disturb(self, what: str, key: str) -> None:
        """Cancel a run, let late requests have their effect, kill a machine, set Redis's clock, or take a thread."""
        match what:
            case "cancel" if key in self.plans:
                self.client.cancel(key)
            case "late":
                self.way.take_late_effects()
            case "machine":
                self.tools_start()
            case "clock":
                self.clock_was_set = True
                self.set_redis({"a": 3_600_000, "b": -3_600_000, "c": 30_000}[key])
                self.tick()
            case "somebody":
                self.provider.make(f"t{RUN_KEYS.index(key)}", "")

    def tools_start(self) -> None:
        """Kill the machine of the tools workers; another one comes up."""
        for stalled in [one for one in self.way.stalled if one.order.worker == f"tools{self.machines}"]:
            self.way.let_go(stalled, alive=False)
        self.machines += 1
        self.beat()
        self.ground.loop.run_until_complete(self._settle())

    # How it happens.

    def go_to_next_due(self) -> bool:
        """Turn the clocks to where something is due, but not far; the provider goes a step on.

        Tells whether there is something in the bag.
        """
        due = self._next_due()
        if due and due[1] <= 0:
            self.tick()
        if due and not self.bag:
            self.turn(max(0.3, min(5.0, due[1])))
            for run in self.provider.runs.values():
                run.step()
            self.tick()
        return bool(self.bag)

    def tick(self) -> None:
        self.ticker.once()
        if _TWINS not in self.bag and self.redis.zcount(self.keys.twins(PROFILE), "-inf", self.now_ms()):
            self.bag.append(_TWINS)

    def _note_looks(self) -> bool:
        if self.engine.has_to_look and _LOOKS not in self.bag:
            self.bag.append(_LOOKS)
        return self.engine.has_to_look

    async def _look(self) -> None:
        self.engine.look()

    def deliver(self, message: Message, at: int = 0, mishap: Mishap = Mishap.NONE) -> None:
        if stage := STAGE_OF_TASK.get(message.task):
            self.ticker.received(stage, PROFILE)
            self.drive(self.engine.serve(stage), Order(at, mishap))
        elif message is _LOOKS:
            self.drive(self._look(), Order(at, mishap))
        elif message is _TWINS:
            self.drive(self.finder.serve(), Order(at, mishap))
        elif message.task == "tools.execute":
            order = Order(at, mishap, f"tools{self.machines}")
            self.drive(self.handle(CallAddress(*message.args), order.worker), order)
            if order.dead:
                self.tools_start()

    def drive(self, work: Coroutine[Any, Any, Any], order: Order) -> None:
        async def go() -> None:
            ORDER.set(order)
            task = asyncio.ensure_future(work)
            await self._settle()
            if task.done() and (error := task.exception()) is not None:
                assert isinstance(error, Died | RedisError), repr(error)

        self.ground.loop.run_until_complete(go())

    async def _settle(self) -> None:
        """Wait until every task has ended, stalls, or waits for one that does."""
        me = asyncio.current_task()
        for _ in range(MOST_TURNS):
            if not asyncio.all_tasks() - {me} - {stalled.task for stalled in self.way.stalled}:
                return
            await asyncio.sleep(0)

    async def handle(self, at: CallAddress, worker: str) -> None:
        """Do what a tools worker's child does with a message."""
        field = f"{at.round}:{at.index}:tool"
        tool = await self.way.io("redis hget", lambda: self.redis.hget(self.keys.calls(at.run_key), field))
        if tool is None:
            return
        self.tokens += 1
        token, body = f"token{self.tokens}", event_body(Event("tool.moved"))
        claim = call_claim(
            await self.store.ledger.claim(at, token, worker, 1, {cast(str, tool): 60_000}, body)
        )
        if claim.verdict != "yes":
            return
        await self.way.io("handler", lambda: self.entered.append((cast(str, tool), at)))
        result = CallResult(f"out of {token}", "ok")
        while True:
            with suppress(RedisError):
                await self.store.ledger.settle(at, token, result, body, token)
                return

    def turn(self, seconds: float, *, blind: bool = False) -> None:
        """Turn all clocks together, in steps as small as a heartbeat's."""
        left = seconds
        while left > 0:
            step = min(left, 5.0)
            left -= step
            self.way.take_late_effects(self.seconds + step)
            self.seconds += step
            if not blind:
                self.observer.saw_redis("server")
        self.set_redis(round(seconds * 1000))
        self.beat()

    def set_redis(self, by_ms: int) -> None:
        """Set Redis's clock, and no other."""
        self.redis_ms += by_ms
        self.redis.set(self.clock_key, self.redis_ms)

    def now_ms(self) -> int:
        """Tell the deployment's time."""
        if self.clock_was_set:
            self.ahead_ms = int(cast(str, self.redis.hget(self.keys.clock(), "ahead_ms")) or 0)
        return self.redis_ms - self.ahead_ms

    def beat(self) -> None:
        self.redis.zadd(self.keys.workers(), {f"tools{self.machines}": self.now_ms()})

    # What must hold.

    @invariant()
    def what_must_always_be_true(self) -> None:
        found = self.ground.look(args=[self.keys.prefix, *RUN_KEYS])
        runs = {key: row for key, row in zip(RUN_KEYS, found, strict=False) if row}
        for key, (stage, tells, _, count, last, entries, digest) in runs.items():
            told = stage == "done" and tells == "1" and entries == "finalize"
            assert told or entries == ("" if stage == "done" else stage), (key, stage, entries)
            assert json.loads(last)["seq"] == count >= self.events.get(key, 0)
            self.events[key] = count
            if digest:
                assert self.final.setdefault(key, digest) == digest, f"{key} changed after its end"
        for thread, holder, *waiting in found[len(RUN_KEYS) :]:
            self._thread_is_right(thread, holder, waiting, runs)
        self._nothing_happened_twice()
        assert not self.store.defects, self.store.defects

    def _thread_is_right(self, thread: str, holder: str, waiting: list[str], runs: dict[str, Any]) -> None:
        stages = {key: row[0] for key, row in runs.items() if row[2] == thread}
        assert not holder or stages[holder] not in {"finalize", "done"}, f"{thread} is held by the dead"
        assert len(waiting) == len(set(waiting))
        for key, stage in stages.items():
            if stage == "waiting":
                assert (key in waiting) != (key == holder)
            else:
                assert key not in waiting
                assert (key == holder) == (stage not in {"finalize", "done"}), (key, stage, holder)

    def _nothing_happened_twice(self) -> None:
        made = Counter(
            run.key for run in self.provider.runs.values() if run.key and run.status != "cancelled"
        )
        assert max(made.values(), default=0) <= 1, "a second run at the provider"
        entries = Counter(at for tool, at in self.entered if not IDEMPOTENT[tool])
        assert max(entries.values(), default=0) <= 1, "a handler was entered twice"

    def teardown(self) -> None:
        try:
            self.come_to_rest()
        finally:
            self._time.__exit__(None, None, None)

    def come_to_rest(self) -> None:
        """Nothing more goes wrong: everybody who stalls goes on, and every run comes to its end."""
        while self.way.stalled:
            self.way.let_go(self.way.stalled[0])
            self.ground.loop.run_until_complete(self._settle())
        began, rounds = self.seconds, itertools.count()
        while left := self._next_due():
            assert self.seconds - began < MOST_SECONDS, f"no end in sight: {left}"
            assert next(rounds) < MOST_ROUNDS, f"turning in place: {left}"
            self.go_to_next_due()
            while self.bag:
                self.deliver(self.bag.pop(0))
        self.what_must_always_be_true()
        made = Counter(
            run.key for run in self.provider.runs.values() if run.key and run.status != "cancelled"
        )
        assert max(made.values(), default=0) <= 1, "a second run at the provider"
        for key in self.plans:
            self._ended_right(key)

    def _next_due(self) -> tuple[str, float] | None:
        """Name the stage that has something due first, and in how many seconds; none: no run is open."""
        found = self.ground.next_due(
            keys=[self.keys.agenda(stage, PROFILE) for stage in AGENDAS] + [self.keys.twins(PROFILE)]
        )
        if not found:
            return None
        return [*AGENDAS, "twins"][int(found[0]) - 1], (float(found[1]) - self.now_ms()) / 1000

    def _ended_right(self, key: str) -> None:
        record = self.client.get(key)
        seqs = [event.seq for event in record.transitions]
        assert seqs == list(range(1, len(seqs) + 1))
        assert record.transitions[-1].type == "run.finished"
        assert record.outcome is not None
        ended = next(e.data for e in reversed(record.transitions) if e.type == "run.ended")
        for run in self.provider.runs.values():
            if run.key == key and run.wire().get("usage") is None:
                assert ended["unconfirmed"] or record.outcome.value == "lost", (
                    f"{run.id} was left {run.status}"
                )


class _Free:
    """Let every message pass; losing it is another rule."""

    def io_now(self, _name: str, effect: Any) -> Any:
        return effect()
