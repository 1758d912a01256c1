"""Celery bootsteps: start and stop what a worker process holds beside Celery itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Collection, Sequence
from typing import Any

import structlog
from billiard import pool
from celery import bootsteps, signals
from celery.exceptions import WorkerShutdown

from config.celery_settings import RUNS_QUEUE
from config.settings import Settings
from threadrun.errors import SettingsInvalid, ToolDefinitionError, ToolModuleError
from threadrun.health import Finding, Severity, check_redis, error
from threadrun.tools import ToolRegistry
from worker.gated_consumer import gate_broker
from worker.liveness import LivenessFile, LivenessThread
from worker.process import process
from worker.redis_clients import redis_client
from worker.runtime import RunsRuntime, ToolsRuntime
from worker.startup_checks import check_pool, check_queue_names, check_rooms

log = structlog.get_logger("threadrun.worker")

REDIS_PAUSE_SECONDS = 2.0


class RunsStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no annotations
    """Run loop, tick and heartbeat in a worker of the `runs` queue."""

    requires = ("celery.worker.components:Timer",)

    def include_if(self, worker: Any) -> bool:
        """Take part if the worker consumes `runs`."""
        return RUNS_QUEUE in worker.app.amqp.queues.consume_from

    def create(self, worker: Any) -> None:
        """Refuse to start where it cannot work, and say how to mend it."""
        settings = settings_of(worker)
        check_start(worker, settings)
        process.runs = RunsRuntime(settings, worker.app, worker.hostname, worker.concurrency)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)

    def start(self, worker: Any) -> None:
        """Start it all."""
        process.runs.start()

    # Celery stops its steps before the pool's running tasks have ended, and those wait for the loop; so the
    # runtime drains at the first signal and stops only when the whole worker has.

    def _drain(self, **_: Any) -> None:
        threading.Thread(target=process.runs.drain, name="threadrun-drain").start()

    def _stop(self, **_: Any) -> None:
        process.runs.stop()


class ToolsStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no annotations
    """Vouch for the children and publish the catalogue in a worker of tool queues."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:
        """Take part if the worker consumes anything but `runs`."""
        return RUNS_QUEUE not in worker.app.amqp.queues.consume_from

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        if not self.include_if(worker):
            return
        # Before the pool forks: the children inherit registry and worker id, and share no connection.
        settings = settings_of(worker)
        check_start(worker, settings)
        registry = ToolRegistry.load(settings.tools.modules)
        check_queues(registry, worker.app.amqp.queues.consume_from)
        process.tools = ToolsRuntime(
            settings, worker.hostname, registry, list(worker.app.amqp.queues.consume_from)
        )
        signals.worker_process_init.connect(_ignore_stop_signals, weak=False)
        signals.worker_process_init.connect(_leave_at_once, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)

    def start(self, worker: Any) -> None:
        """Begin to vouch."""
        process.tools.start()

    def _drain(self, **_: Any) -> None:
        process.tools.drain()

    def _stop(self, **_: Any) -> None:
        process.tools.stop()


def settings_of(worker: Any) -> Settings:
    """Give the settings that the app was made with."""
    settings: Settings = worker.app.threadrun_settings
    return settings


def check_start(worker: Any, settings: Settings) -> None:
    """Log every finding; end the worker if one of them is an error.

    An unreachable Redis is waited for: it may be starting too.

    Raises:
        WorkerShutdown: This worker cannot work here; the log says what to do.
    """
    queues = worker.app.amqp.queues.consume_from
    gate_broker()
    findings = [*check_rooms(), *check_queue_names(queues, settings.tools.queues)]
    findings += [*check_pool(worker.pool_cls, queues), *_settings_findings(settings, queues)]
    findings += _redis_findings(settings, "runs" if RUNS_QUEUE in queues else "tools")
    for finding in findings:
        level = log.error if finding.severity is Severity.ERROR else log.warning
        level(finding.check, detail=finding.message)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise WorkerShutdown(os.EX_CONFIG)


def _settings_findings(settings: Settings, queues: Collection[str]) -> list[Finding]:
    """Find what only this kind of worker needs: a provider to speak to, or handlers that can be imported."""
    try:
        if RUNS_QUEUE in queues:
            settings.require_profiles()
        else:
            ToolRegistry.load(settings.tools.modules)
    except (SettingsInvalid, ToolDefinitionError, ToolModuleError) as invalid:
        return [error("settings.unusable", str(invalid))]
    return []


def _redis_findings(settings: Settings, kind: str) -> Sequence[Finding]:
    client = redis_client(settings)
    liveness = LivenessThread(LivenessFile(settings.engine.liveness_file, kind))
    liveness.start()  # one who waits is not stuck
    try:
        while True:
            findings = check_redis(client, where=settings.redis_address.shown, key_prefix=settings.key_prefix)
            if not any(finding.check == "redis.unreachable" for finding in findings):
                return findings
            log.warning("redis.waited_for", detail=findings[0].message)
            time.sleep(REDIS_PAUSE_SECONDS)
    finally:
        liveness.stop()
        client.close()


def check_queues(registry: ToolRegistry, consumed: Any) -> None:
    """Warn of tools whose calls this worker would never get; it does not offer them."""
    if not len(registry):
        log.warning(
            "tool.none_served", detail="set THREADRUN_TOOLS__MODULES to the modules that hold handlers"
        )
    for tool in registry:
        if tool.queue not in consumed:
            log.warning(
                "tool.queue_not_consumed",
                tool=tool.name,
                queue=tool.queue,
                detail=f"start a worker with -Q {tool.queue}, or name another queue in @tool",
            )


def _leave_at_once(**_: Any) -> None:
    """Let a child that was told to end do so: it would wait up to 30 s for its parent to read its last result.

    A parent that stops reads no more now and then, nobody asks for the results, and the outputs are in Redis.
    """
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 5  # times 0.1 s


def _ignore_stop_signals(**_: Any) -> None:
    """Let the parent drain: a SIGTERM to the whole group must not kill a handler."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
