"""Start workers in a blink: a process that has imported what they import, and forks each from there.

A worker takes 1.3 s of CPU to start, nearly all of it imports; a harness that kills one every other second would
measure little else. What is forked runs Celery's own command line from its first line on. It asks nobody for
anything that a worker started by hand would not have: settings, connections and threads are its own.

One order a line on standard input, {"argv": […], "log": "FILE"}; on standard output {"pid": n}, and for each that
ends {"ended": n, "code": n}. When standard input ends, all are killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import signal
import sys
from importlib import import_module
from typing import Any

from tests.chaos import stopwatch

PRELOADED = (
    "worker.steps",
    "worker.runtime",
    "worker.handlers",
    "tasks.enqueue",
    "tasks.admit",
    "tasks.create",
    "tasks.poll",
    "tasks.dispatch",
    "tasks.execute",
    "tasks.submit",
    "tasks.cancel",
    "tasks.finalize",
    "celery.__main__",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "celery.worker.components",
    "kombu.transport.redis",
    "celery.backends.redis",
)
"""What a worker imports; a module that is forgotten here only makes its start slower."""

LOOK_SECONDS = 0.05
"""How often the ends of workers are looked for."""


def main() -> None:
    """Serve orders until standard input ends."""
    for name in PRELOADED:
        import_module(name)
    for name in filter(None, os.environ.get("THREADRUN_TOOLS__MODULES", "").split(",")):
        import_module(name)
    if stopwatch.VARIABLE in os.environ:
        stopwatch.install()
    _say({"ready": os.getpid()})
    living: set[int] = set()
    orders = selectors.DefaultSelector()
    orders.register(sys.stdin, selectors.EVENT_READ)
    while True:
        if orders.select(LOOK_SECONDS):
            line = sys.stdin.readline()
            if not line:
                break
            living.add(_fork(json.loads(line)))
        _tell_ended(living)
    for pid in living:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _fork(order: dict[str, Any]) -> int:
    ready, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        os.read(ready, 1)  # its group stands: it can be killed as one
        os.close(ready)
        _say({"pid": pid})
        return pid
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.write(told, b".")
    for number in (ready, told, log, null):
        os.close(number)
    random.seed()
    _be_a_worker(order["argv"])
    raise AssertionError("unreachable")


def _be_a_worker(argv: list[str]) -> None:
    code = 1
    try:
        sys.argv = argv
        sys.stdin = open(os.devnull)  # noqa: SIM115 # for as long as the process lives
        import_module("celery.__main__").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_ended(living: set[int]) -> None:
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            living.discard(pid)
            _say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(told: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
