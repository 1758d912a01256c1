"""Keep what a worker can be told from outside to looking: no remote control, no built-in tasks.

Whoever can write to the broker could otherwise stop workers, change limits, read a run's content, or run any
registered task through one of Celery's own (`celery.map`, `celery.chord` …).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.worker import state as worker_state
from celery.worker.control import Panel

from config.content_tasks import HIDDEN, may_show_arguments

State = Any
Info = dict[str, Any]
Command = Callable[..., Any]

_log = structlog.get_logger("threadrun.control")

SHOWN_CONFIGURATION = (
    "accept_content",
    "enable_utc",
    "result_expires",
    "task_acks_late",
    "task_default_queue",
    "task_ignore_result",
    "task_serializer",
    "timezone",
    "worker_concurrency",
    "worker_disable_prefetch",
    "worker_prefetch_multiplier",
    "worker_send_task_events",
)
"""The settings that inspection shows: none of them can hold a URL or a secret."""


def restrict_remote_control() -> None:
    """Leave inspection as the only remote control of this process.

    Call it once while the app is set up. `ping`, `stats`, `registered`, `active`, `reserved`, `scheduled`,
    `revoked`, `query_task`, `active_queues` and `conf` stay, so that Flower and `celery inspect` work, and
    `heartbeat`, which only asks for a sign of life. Replies lose connection details and the arguments of
    tasks that may carry content. Every other command is refused, and the refusal logged.
    """
    kept: dict[str, Command] = {name: Panel.data[name] for name in _KEPT}
    kept |= {command.__name__: command for command in _COMMANDS}
    # Changed in place: the worker's mailbox holds this very dictionary.
    Panel.data.update({name: _refusal(name) for name in Panel.data} | kept)


def _refusal(name: str) -> Command:
    def refuse(state: State, **_: Any) -> Info:
        _log.warning("control.refused", command=name)
        return {"error": f"refused: a worker of threadrun answers questions and takes no orders ({name})"}

    return refuse


def unregister_builtin_tasks(app: Celery) -> None:
    """Take Celery's own tasks out of the app's registry, now or as soon as it is finalized.

    Chains, chords, groups and `replace` no longer work in this app; threadrun uses none of them.
    """

    def unregister(sender: Celery, **_: Any) -> None:
        for name in [name for name in sender._tasks if name.startswith("celery.")]:
            del sender._tasks[name]

    if app.finalized:
        unregister(app)
    else:
        app.on_after_finalize.connect(unregister, weak=False)


def stats(state: State, **_: Any) -> Info:
    """Give a worker's counters, without the way to its broker."""
    found: Info = dict(state.consumer.controller.stats())
    broker = found.get("broker") or {}
    found["broker"] = {name: broker[name] for name in ("transport", "connect_timeout") if name in broker}
    return found


def conf(state: State, **_: Any) -> Info:
    """Give the plain part of the configuration."""
    return {name: state.app.conf[name] for name in SHOWN_CONFIGURATION}


def registered(state: State, **_: Any) -> list[str]:
    """Give the names of the registered tasks, without their attributes."""
    return sorted(state.app.tasks)


def active(state: State, **_: Any) -> list[Info]:
    """Give the tasks that run."""
    return [_shown(request) for request in state.tset(worker_state.active_requests)]


def reserved(state: State, **_: Any) -> list[Info]:
    """Give the tasks that were taken and do not run yet."""
    waiting = state.tset(worker_state.reserved_requests) - state.tset(worker_state.active_requests)
    return [_shown(request) for request in waiting]


def scheduled(state: State, **_: Any) -> list[Info]:
    """Give nothing: no task of threadrun waits in a worker's memory."""
    return []


def query_task(state: State, ids: Any = (), **_: Any) -> Info:
    """Give tasks by id."""
    wanted = [ids] if isinstance(ids, str) else list(ids)
    found = {
        task_id: worker_state.requests[task_id] for task_id in wanted if task_id in worker_state.requests
    }
    return {task_id: (_stage(request), _shown(request)) for task_id, request in found.items()}


def _stage(request: Any) -> str:
    return "active" if request in worker_state.active_requests else "reserved"


def _shown(request: Any) -> Info:
    # safe=True: the sender's short form, never the arguments themselves.
    info: Info = request.info(safe=True)
    if not may_show_arguments(info["type"]):
        info |= {"args": HIDDEN, "kwargs": HIDDEN}
    return info


_KEPT = ("ping", "revoked", "active_queues", "heartbeat")
_COMMANDS: tuple[Command, ...] = (
    stats,
    conf,
    registered,
    active,
    reserved,
    scheduled,
    query_task,
)
