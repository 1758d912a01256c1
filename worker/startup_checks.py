"""What must be true before a worker takes work; each finding says what is wrong and how to mend it.

Imports neither `config` nor Celery: `check_rooms` must be able to run before they are imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from pathlib import Path

from threadrun.health import Finding, error, warning

_RUNS_QUEUE = "runs"


def check_pool(pool_class: type, queues: Collection[str] = (_RUNS_QUEUE,)) -> list[Finding]:
    """Look at a worker's pool: `runs` lives in threads, handlers live in processes that can be killed.

    Args:
        pool_class: The worker's `pool_cls`.
        queues: What the worker consumes.
    """
    name = pool_class.__module__.rpartition(".")[2]
    if _RUNS_QUEUE in queues and not _is_pool(pool_class, "thread"):
        text = (
            f"the queue {_RUNS_QUEUE!r} is served by the pool {name!r}, but its tasks wait for one event "
            "loop, which any other pool would fork or block. Start this worker with `-P threads`, and serve "
            "the handlers' queues in a worker of their own (`-P prefork -Q tools`)."
        )
        return [error("pool.wrong", text)]
    others = ", ".join(sorted(set(queues) - {_RUNS_QUEUE}))
    if others and not _is_pool(pool_class, "prefork"):
        text = (
            f"the queues {others} are served by the pool {name!r}, which cannot stop a handler: timeouts of "
            "handlers have no effect. Serve them in a worker of their own, with `-P prefork`."
        )
        return [warning("pool.no_time_limits", text)]
    return []


def check_queue_names(queues: Collection[str], tools_queues: Collection[str]) -> list[Finding]:
    """Look at a worker's queues: a mistyped one would be declared, and then wait for messages for ever.

    Args:
        queues: What the worker consumes.
        tools_queues: The queues of tool calls that the settings name.
    """
    known = ", ".join([_RUNS_QUEUE, *tools_queues])
    first = next(iter(tools_queues), "tools")
    if unknown := sorted(set(queues) - {_RUNS_QUEUE, *tools_queues}):
        text = (
            f"nothing is ever sent to the queue {', '.join(unknown)}; served are {known}. Correct this worker's "
            "-Q, or add the queue to THREADRUN_TOOLS__QUEUES of every worker."
        )
        return [error("queue.unknown", text)]
    if _RUNS_QUEUE in queues and len(queues) > 1:
        text = (
            f"this worker consumes {', '.join(sorted(queues))}, but one that carries runs cannot run handlers. "
            f"Start one with `-P threads -Q {_RUNS_QUEUE}`, and another with `-P prefork -Q {first}`."
        )
        return [error("queue.mixed", text)]
    return []


def check_rooms(root: Path | None = None, names: Collection[str] = ("config", "tasks")) -> list[Finding]:
    """Look where `config` and `tasks` come from: other installed packages like to bear these names.

    Args:
        root: Where they should be; none: beside this package.
        names: Which packages to look for.
    """
    home = (root or Path(__file__).parent.parent).resolve()
    return [finding for name in names for finding in _room(name, home)]


def _is_pool(pool_class: type, kind: str) -> bool:
    return any(base.__module__ == f"celery.concurrency.{kind}" for base in pool_class.__mro__)


def _room(name: str, home: Path) -> Iterator[Finding]:
    spec = importlib.util.find_spec(name)
    found = Path(spec.origin).resolve() if spec and spec.origin else None
    if found is not None and found.parent == home / name:
        return
    where = f"is taken from {found.parent}" if found else "was not found"
    text = (
        f"the package {name!r} {where} instead of {home / name}. Start in {home} with `python -m celery -A "
        "worker.app …` (the bare `celery` command takes that folder off the import path), or remove the "
        f"other {name!r}."
    )
    yield error("rooms.shadowed", text)
