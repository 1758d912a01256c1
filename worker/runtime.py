"""The composition root: what one worker process consists of, built once, after the fork.

`runs` workers hold a RunsRuntime. `tools` workers hold a ToolsRuntime in the parent and a HandlerRuntime in
each child.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import structlog
from celery import Celery

from config.celery_settings import RUNS_QUEUE
from config.settings import Settings
from threadrun.client import RunClient
from threadrun.keys import Keys
from threadrun.status import Stage
from threadrun.tools import ToolRegistry
from worker.attended import MOST_ATTENDED
from worker.desk import Desk, ServedTools
from worker.echo import Echo
from worker.engine import Engine
from worker.event_loop import EventLoop
from worker.handlers import HandlerRuntime
from worker.heartbeat import Heartbeat
from worker.heartbeat import Served as ServedByWorker
from worker.liveness import LivenessFile, LivenessThread
from worker.lost_child import LostChild
from worker.observer import Observer
from worker.outbox import Outbox
from worker.own_consumer import OwnConsumer
from worker.permits import Permits
from worker.profiles import limits_for, provider_for, rules_for
from worker.providers.base import Provider
from worker.providers.watched import WatchedProvider
from worker.publisher import Publisher
from worker.redis_clients import async_redis_client, redis_client
from worker.store.runs import RunStore
from worker.suspects import SuspectSlot
from worker.tick import Tick
from worker.twin_finder import TURN_SECONDS, TwinFinder
from worker.vigil import Vigil

log = structlog.get_logger("threadrun.worker")


def threadrun_version() -> str:
    """Give the installed version, or `unknown` in a checkout that is not installed."""
    try:
        return version("threadrun")
    except PackageNotFoundError:
        return "unknown"


def new_worker_id(nodename: str) -> str:
    """Name this start of a worker; a restart under the same node name is another worker."""
    return f"{nodename}/{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Say who this process is."""

    worker_id: str
    kind: str
    queues: Sequence[str]

    def about(self) -> dict[str, str]:
        """Describe it for the list of workers."""
        return {
            "kind": self.kind,
            "queues": ",".join(sorted(self.queues)),
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "version": threadrun_version(),
        }

    def shown(self) -> dict[str, object]:
        """Describe it for the log."""
        return {
            "worker": self.worker_id,
            "kind": self.kind,
            "queues": sorted(self.queues),
            "version": threadrun_version(),
        }


class RunsRuntime:
    """Carry runs: loop, tick, heartbeat, outbox, and an engine for each profile."""

    def __init__(self, settings: Settings, app: Celery, nodename: str, threads: int) -> None:
        engine = settings.engine
        self._settings = settings
        self._keys = Keys(settings.key_prefix)
        self._redis = redis_client(settings)
        self.client = RunClient(self._redis, key_prefix=settings.key_prefix)
        self._loop = EventLoop()
        self._outbox = Outbox(Publisher(app))
        self._observer = Observer(engine.heartbeat_seconds, engine.dead_after_seconds)
        self._providers: dict[str, Provider] = {}
        self._engines: dict[str, Engine] = {}
        self._twin_finders: list[TwinFinder] = []
        profiles = list(settings.require_profiles())
        self.identity = Identity(new_worker_id(nodename), "runs", (RUNS_QUEUE,))
        served = ServedByWorker(self.identity.worker_id, self.identity.about(), profiles=profiles)
        self._heartbeat = Heartbeat(
            self._redis,
            self._keys,
            served,
            self._observer,
            engine.heartbeat_seconds,
            vouches=lambda: self._vigil.loop_turns,
        )
        self._tick = Tick(
            self._redis,
            self._keys,
            profiles,
            self._outbox,
            tick_ms=engine.tick_ms,
            retention_seconds=engine.retention_seconds,
            watch=self._observer.clock,
            serves_itself=self._serves_itself,
            look=self._look,
        )
        self._ending = threading.Lock()
        self._draining = False
        self._drain_timer = threading.Timer(engine.drain_seconds, self._hand_back)
        self._drain_timer.daemon = True
        self._vigil = Vigil(engine, self._loop, OwnConsumer(app, nodename, RUNS_QUEUE, threads))

    def start(self) -> None:
        """Start everything; the first heartbeat is out before the first wake-up."""
        self._loop.start()
        self._loop.run(self._build_engines())
        self._outbox.start()
        self._heartbeat.start()
        self._tick.start()
        for finder in self._twin_finders:
            self._loop.every(TURN_SECONDS, finder.turn)
        self._vigil.start()
        log.info("worker.started", **self.identity.shown(), profiles=sorted(self._engines))

    async def _build_engines(self) -> None:
        settings = self._settings
        client = async_redis_client(settings, met_server=self._observer.met_server)
        store = RunStore(client, self._keys)
        tools = ServedTools(client, self._keys)
        suspects = SuspectSlot()
        profiles = settings.require_profiles()
        for name, profile in profiles.items():
            permits = Permits(name, store.gates, limits_for(profile))
            provider = self._providers[name] = WatchedProvider(provider_for(name, profile), permits)
            desk = Desk(
                store=store,
                provider=provider,
                rules=rules_for(profile, settings.engine),
                tools=tools,
                observer=self._observer,
                outbox=self._outbox,
                permits=permits,
                retention_ms=settings.engine.retention_seconds * 1000,
                max_output_total_bytes=settings.tools.max_output_total_bytes,
                echo=Echo(name),
                worker_id=self.identity.worker_id,
                suspects=suspects,
            )
            self._engines[name] = Engine(
                desk,
                name,
                profile.max_requests,
                settings.engine.claim_limit,
                most_attended=MOST_ATTENDED // len(profiles),
            )
            self._twin_finders.append(TwinFinder(desk, name))
        self._client = client

    def serve(self, stage: Stage, profile: str) -> Mapping[str, int]:
        """Serve one wake-up in a pool thread, which only waits for the claim."""
        engine = self._engines.get(profile)
        if engine is None:
            log.warning("wakeup.unknown_profile", profile=str(profile)[:64])
            return {"claimed": 0}
        self._tick.received(stage, profile)
        return {"claimed": self._loop.run(engine.serve(stage))}

    def _serves_itself(self, stage: Stage, profile: str) -> bool:
        engine = self._engines[profile]
        if engine.is_awake(stage):
            self._loop.soon(lambda: engine.wake(stage))
            return True
        return False

    def _look(self) -> bool:
        due = [engine for engine in self._engines.values() if engine.has_to_look]
        for engine in due:
            self._loop.soon(engine.look)
        return bool(due)

    def drain(self) -> None:
        """Stop claiming; what is in hand is finished, and handed back when the drain time is over."""
        with self._ending:  # the signal's thread and the worker's end may both come here
            if self._draining:
                return
            self._draining = True
            for engine in self._engines.values():
                engine.drain()
                self._loop.soon(engine.leave_attended)
            for finder in self._twin_finders:
                finder.drain()
            self._drain_timer.start()
            self._vigil.drain()
            self._tick.stop()
            log.info("worker.draining", worker=self.identity.worker_id)

    def _hand_back(self) -> None:
        for engine in self._engines.values():
            self._loop.run(engine.hand_back_all())

    def stop(self) -> None:
        """End, after the pool's threads have ended and what is in hand is finished or handed back."""
        self.drain()
        for engine in self._engines.values():
            self._loop.run(engine.finish())
        self._drain_timer.cancel()
        self._vigil.stop()
        self._heartbeat.stop()
        self._outbox.close(5)
        self._loop.run(self._close(), 5)
        self._loop.stop()
        self._vigil.end()
        self._redis.close()
        log.info("worker.stopped", worker=self.identity.worker_id)

    async def _close(self) -> None:
        for finder in self._twin_finders:
            await finder.stop()
        for provider in self._providers.values():
            await provider.close()
        await self._client.aclose()


class ToolsRuntime:
    """Vouch for the children that run handlers, and publish the catalogue; lives in the parent."""

    def __init__(
        self, settings: Settings, nodename: str, registry: ToolRegistry, queues: Sequence[str]
    ) -> None:
        engine = settings.engine
        self.keys = Keys(settings.key_prefix)
        self.redis = redis_client(settings)
        self.identity = Identity(new_worker_id(nodename), "tools", queues)
        # A tool whose queue nobody consumes would be accepted, and its calls would wait for ever.
        self._offered = {tool.name: tool.catalogue_entry() for tool in registry if tool.queue in queues}
        served = ServedByWorker(self.identity.worker_id, self.identity.about(), tools=self._offered)
        observer = Observer(engine.heartbeat_seconds, engine.dead_after_seconds)
        self._heartbeat = Heartbeat(self.redis, self.keys, served, observer, engine.heartbeat_seconds)
        self._file = LivenessFile(engine.liveness_file, "tools")
        self._liveness = LivenessThread(self._file, lambda: self._heartbeat.beats)
        self._settings = settings
        self._registry = registry
        self.lost_child = LostChild(self.redis, self.keys, self.identity.worker_id)

    def handler_runtime(self) -> HandlerRuntime:
        """Build a child's runtime, with connections of its own."""
        return HandlerRuntime(
            redis_client(self._settings), self.keys, self.identity.worker_id, self._registry
        )

    def start(self) -> None:
        """Begin to beat."""
        self._heartbeat.start()
        self._liveness.start()
        log.info("worker.started", **self.identity.shown(), tools=list(self._offered))

    def drain(self) -> None:
        """Say that no more calls are taken; Celery lets those begun end."""
        log.info("worker.draining", worker=self.identity.worker_id)

    def stop(self) -> None:
        """End, after the handlers have ended."""
        self._liveness.stop()
        self._file.remove()
        self._heartbeat.stop()
        self.redis.close()
        log.info("worker.stopped", worker=self.identity.worker_id)
