"""A whole deployment in one thread: web app, runs worker, tools worker and its child, over a real Redis.

Every part is threadrun's own; simulated are the clock, the broker (a list) and the death of a process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import SecretStr
from redis import Redis

from tests.simulation import furnish
from tests.simulation.furnish import PROFILE
from tests.simulation.provider_server import request_name
from tests.simulation.seam import Died, Fate, Life, SeamOutbox, SeamRedis, SeamTransport
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.status import Stage
from threadrun.tools import ToolRegistry
from worker.backoff import Gentle
from worker.decide.rules import Rules
from worker.desk import Desk
from worker.handlers import HandlerRuntime
from worker.heartbeat import Heartbeat, Served
from worker.lost_child import LostChild
from worker.observer import Observer
from worker.outbox import Outbox
from worker.providers import AssistantsProvider, ProfileConnection
from worker.publisher import Message
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore
from worker.tick import TASK_OF_STAGE, Tick
from worker.twin_finder import TwinFinder

TWINS = "twins"
START_MS = 1_790_000_000_000
BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 15.0
RULES = Rules(poll=Gentle(first_ms=500, share=0.5, cap_ms=10_000, jitter=0))
LOOK_SECONDS = 0.5
"""How often attended runs are gone through."""
MOST_SECONDS = 1_000.0
"""More virtual time than any run here may take."""

STAGE_OF_TASK = {task: stage for stage, task in TASK_OF_STAGE.items()}


@dataclass
class Surroundings:
    """What outlives every process of a deployment."""

    redis: Redis
    """Plain, for looking and for the clock."""
    keys: Keys
    clock_key: str
    transport: Any
    """The provider, as a transport."""
    turn_provider: Callable[[float], None]
    new_async_redis: Callable[[], Any] | None = None
    """None: the blocking client serves the engine too, which is quicker and has one order of events."""
    broker: list[Message] = field(default_factory=list)
    published: Callable[[Message], None] = lambda message: None
    """Notes what left for a caller's own tasks."""
    base_url: str = "http://provider.test/v1"

    def now_ms(self) -> int:
        return int(cast(str, self.redis.get(self.clock_key)))


class Deployment:
    """Start the processes, deliver messages, turn the clock; whoever dies is started again."""

    def __init__(
        self, around: Surroundings, fate: Fate, new_tools: Callable[[Callable[[], Life]], ToolRegistry]
    ) -> None:
        self.around = around
        self.fate = fate
        self.new_tools = new_tools
        self.seconds = 1_000.0
        self.began = self.seconds
        self.deaths: list[str] = []
        self.errors: list[str] = []
        """What went wrong in a task that nobody waited for."""
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._unwaited)
        self._generation = 0
        self.runs: RunsProcess | None = None
        self.tools: ToolsProcess | None = None
        self._witness: RunsProcess | None = None
        self._came: set[CallAddress] = set()

    # The clock.

    def monotonic(self) -> float:
        return self.seconds

    def turn(self, seconds: float) -> None:
        self.seconds += seconds
        self.around.redis.incrby(self.around.clock_key, round(seconds * 1000))
        self.around.turn_provider(seconds)

    def jump(self, seconds: float) -> None:
        """Set Redis's clock, and no other."""
        self._witness = self.runs
        self.around.redis.incrby(self.around.clock_key, round(seconds * 1000))

    # The processes.

    def io(self, life: Life, redis: Any) -> SeamRedis:
        return SeamRedis(redis, life.io_now, self.around.clock_key)

    def name(self, kind: str) -> str:
        self._generation += 1
        return f"{kind}{self._generation}@host/{os.getpid()}"

    def start(self) -> None:
        """Start whoever is not there."""
        while self.runs is None or self.tools is None:
            with self.mourning():
                if self.tools is None:
                    process = ToolsProcess(self)
                    process.beat()
                    self.tools = process
                if self.runs is None:
                    runs = RunsProcess(self)
                    runs.beat()
                    self.runs = runs

    def mourning(self) -> Any:
        return _Mourning(self)

    def bury(self) -> None:
        """Take away whoever is dead."""
        if self.runs is not None and self.runs.life.over:
            self.runs = None
        if self.tools is not None and self.tools.life.over:
            self.tools = None

    def web_app(self) -> RunClient:
        """Give a fresh process of the web app."""
        return RunClient(
            cast(Redis, self.io(Life(self.fate), self.around.redis)), key_prefix=self.around.keys.prefix
        )

    def ask(self, request: Callable[[RunClient], Any]) -> Any:
        """Have the web app do something; one that dies is asked again by its user."""
        while True:
            try:
                return request(self.web_app())
            except Died as death:
                self.deaths.append(str(death))

    # The course of things.

    def carry(self, between: Callable[[], None] = lambda: None) -> None:
        """Go on until nothing is left to do; between two steps the test may do something of its own."""
        while True:
            between()
            self.start()
            if not self.step() and not self.pass_time():
                break
        assert self.runs is not None
        assert self.tools is not None
        for process in (self.runs, self.tools):
            with self.mourning():
                process.heartbeat.stop()

    def step(self) -> bool:
        """Deliver a message, or wake whoever has something due."""
        with self.mourning():
            if self.around.broker:
                self.deliver(self.around.broker.pop(0))
                return True
            assert self.runs is not None
            if self.due().get(TWINS, 1.0) <= 0:
                self.runs.look_for_twins()
                return True
            self.runs.ticked = True
            return bool(self.runs.tick.once())
        return True

    @property
    def watched(self) -> bool:
        """Tell whether a worker has read Redis's clock: what happened to it before, nobody can know."""
        return self.runs is not None and self.runs.ticked

    @property
    def jump_forgotten(self) -> bool:
        """Tell whether the one worker that could have noticed a jump has died of noticing it: no other can know."""
        taken_out = int(self.around.redis.hget(self.around.keys.clock(), "ahead_ms") or 0)
        return self._witness is not None and self._witness.life.over and not taken_out

    def deliver(self, message: Message) -> None:
        if stage := STAGE_OF_TASK.get(message.task):
            assert self.runs is not None
            self.runs.serve(stage)
            self.runs.life.check()
        elif message.task == "tools.execute":
            assert self.tools is not None
            self.tools.execute(CallAddress(*message.args))

    def served_for(self, at: CallAddress, tools: ToolRegistry) -> ToolRegistry:
        """Say what the worker serves to which a message comes: the first of each call, to one that lacks a tool."""
        first = at not in self._came
        self._came.add(at)
        return ToolRegistry(tool for tool in tools if not first or tool.name != "elsewhere")

    def pass_time(self) -> bool:
        """Turn the clock to the next event; false: no run is left in any agenda."""
        due = self.due()
        if not due:
            return False
        assert self.seconds - self.began < MOST_SECONDS, f"no end in sight: {due}"
        wait = max(0.001, min(due.values())) if min(due.values()) > 0 else 1.0
        assert self.runs is not None
        wait = min(wait, LOOK_SECONDS)  # the looks of attended runs are in no agenda
        for process in (self.runs, self.tools):
            assert process is not None
            wait = min(wait, max(0.001, process.beats_at - self.seconds))
        self.turn(wait)
        for process in (self.runs, self.tools):
            assert process is not None
            if self.seconds >= process.beats_at:
                with self.mourning():
                    process.beat()
        return True

    def due(self) -> dict[str, float]:
        """Say in how many seconds each stage has something due, and the watches for twins."""
        redis, keys, now = self.around.redis, self.around.keys, self.around.now_ms()
        now -= int(cast(str, redis.hget(keys.clock(), "ahead_ms")) or 0)
        pipe = redis.pipeline(transaction=False)
        agendas = {
            **{stage.value: keys.agenda(stage, PROFILE) for stage in Stage},
            TWINS: keys.twins(PROFILE),
        }
        for agenda in agendas.values():
            pipe.zrange(agenda, 0, 0, withscores=True)
        return {
            stage: (first[0][1] - now) / 1000
            for stage, first in zip(agendas, pipe.execute(), strict=True)
            if first
        }

    def run(self, task: Any) -> None:
        """Run a coroutine, and whatever it has begun, on the loop."""

        async def all_of_it() -> None:
            try:
                await task
            finally:
                while others := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(others)

        self.loop.run_until_complete(all_of_it())

    def _unwaited(self, _loop: Any, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Died):
            self.errors.append(repr(context))

    def close(self) -> None:
        self.loop.close()


class _Mourning:
    """Note a death and go on."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, Died):
            self._deployment.deaths.append(str(error))
            self._deployment.bury()
            return True
        return False


class RunsProcess:
    """A worker of the `runs` queue."""

    def __init__(self, home: Deployment) -> None:
        around = home.around
        self.life = Life(home.fate)
        self._home = home
        redis = home.io(self.life, around.redis)
        observer = Observer(BEAT_SECONDS, DEAD_AFTER_SECONDS, monotonic=home.monotonic)
        outbox = cast(Outbox, SeamOutbox(around.broker.append, self.life))
        served = Served(home.name("runs"), profiles=[PROFILE])
        self.heartbeat = Heartbeat(cast(Redis, redis), around.keys, served, observer, BEAT_SECONDS)
        self.beats_at = 0.0
        self.ticked = False
        self.tick = Tick(
            cast(Redis, redis),
            around.keys,
            [PROFILE],
            outbox,
            tick_ms=50,
            retention_seconds=604_800,
            watch=observer.clock,
            look=self.look,
        )
        desk = self._desk(observer, served.worker_id)
        self._engine = furnish.engine(desk)
        self._finder = TwinFinder(desk, PROFILE)

    def _desk(self, observer: Observer, worker_id: str) -> Desk:
        around = self._home.around
        made = around.new_async_redis() if around.new_async_redis else around.redis
        redis = SeamRedis(made, self.life.io, around.clock_key)
        outbox = SeamOutbox(self._publish, self.life)
        provider = _provider(self._home, self.life)
        return furnish.desk(RunStore(redis, around.keys), redis, provider, RULES, observer, outbox, worker_id)

    def _publish(self, message: Message) -> None:
        self._home.around.broker.append(message)
        self._home.around.published(message)

    def beat(self) -> None:
        self.heartbeat.beat()
        self.beats_at = self._home.seconds + BEAT_SECONDS

    def serve(self, stage: Stage) -> None:
        self.tick.received(stage, PROFILE)
        self._home.run(self._engine.serve(stage))

    def look(self) -> bool:
        """Look at the attended runs whose time has come."""

        async def begin() -> None:
            self._engine.look()

        self._home.run(begin())
        self.life.check()
        return True

    def look_for_twins(self) -> None:
        self._home.run(self._finder.serve())
        self.life.check()


def _provider(home: Deployment, life: Life) -> Any:
    connection = ProfileConnection(PROFILE, home.around.base_url, SecretStr("key"))
    transport = SeamTransport(home.around.transport, life, request_name)
    return AssistantsProvider(connection, transport=cast(Any, transport))


class ToolsProcess:
    """A worker of the `tools` queue: a parent that vouches, and a child that runs handlers."""

    def __init__(self, home: Deployment) -> None:
        self.life = Life(home.fate)
        self._home = home
        self._worker_id = home.name("tools")
        self._child = self.life
        self._registry = home.new_tools(lambda: self._child)
        redis = cast(Redis, home.io(self.life, home.around.redis))
        served = Served(self._worker_id, tools={tool.name: tool.catalogue_entry() for tool in self._registry})
        observer = Observer(BEAT_SECONDS, DEAD_AFTER_SECONDS, monotonic=home.monotonic)
        self.heartbeat = Heartbeat(redis, home.around.keys, served, observer, BEAT_SECONDS)
        self.beats_at = 0.0
        self._lost_child = LostChild(redis, home.around.keys, self._worker_id)

    def beat(self) -> None:
        self.heartbeat.beat()
        self.beats_at = self._home.seconds + BEAT_SECONDS

    def execute(self, at: CallAddress) -> None:
        """Run a call in a fresh child; a child that is shot dies alone, any other death is the machine's."""
        self._child = Life(self._home.fate)
        redis = cast(Redis, self._home.io(self._child, self._home.around.redis))
        registry = self._home.served_for(at, self._registry)
        runtime = HandlerRuntime(redis, self._home.around.keys, self._worker_id, registry)
        try:
            runtime.execute(at)
        except Died:
            if not self._child.shot:
                self.life.end(self._child.died_at)
                raise
            self._lost_child.settle(at, os.getpid(), timed_out=False)
