"""Serve the Assistants wire from a process of its own: `python -m threadrun.testing`.

When it listens it prints one line of JSON, `{"base_url": …, "pid": …}`; SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from threadrun.testing.azure_dialect import DIALECTS
from threadrun.testing.clock import ManualClock, RunningClock
from threadrun.testing.options import ServerOptions
from threadrun.testing.quirks import Quirk
from threadrun.testing.server import RunServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end."""
    asked = _parser().parse_args(arguments)
    # A SimpleQueue may be put to from a signal handler; an Event could deadlock there.
    ends: SimpleQueue[str] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.put("signal"))
    if asked.exit_with_parent:
        Thread(target=_wait_for_parent, args=(ends,), daemon=True).start()
    clock = ManualClock() if asked.manual_clock else RunningClock()
    dialect = DIALECTS[asked.dialect]()
    with RunServer(_options(asked), clock=clock, dialect=dialect, port=asked.port) as server:
        sys.stdout.write(json.dumps({"base_url": server.base_url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        ends.get()
    return 0


def _wait_for_parent(ends: SimpleQueue[str]) -> None:
    # The raw descriptor: a thread that waits in sys.stdin's buffer would hold its lock at interpreter exit.
    while os.read(0, 4096):
        pass
    ends.put("parent")


def _options(asked: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        api_key=asked.api_key,
        think_seconds=asked.think_seconds,
        queue_seconds=asked.queue_seconds,
        cancel_seconds=asked.cancel_seconds,
        expire_seconds=asked.expire_seconds,
        accept_any_assistant=asked.accept_any_assistant,
        poll_after_ms=asked.poll_after_ms,
        forget_after_seconds=asked.forget_after_seconds,
        seed=asked.seed,
        effect_log=asked.effect_log,
        quirks=frozenset(asked.quirk),
    )


def _parser() -> argparse.ArgumentParser:
    default = ServerOptions()
    parser = argparse.ArgumentParser(prog="python -m threadrun.testing", description="Serve runs for tests.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="0: a free one")
    add("--dialect", choices=list(DIALECTS), default="openai", help="how it speaks")
    add("--api-key", help="accept only this bearer key; else any")
    add("--effect-log", type=Path, metavar="FILE", help="append what every request did, as JSON lines")
    add(
        "--expire-seconds",
        type=float,
        default=default.expire_seconds,
        help="life of a run; else the dialect's",
    )
    add("--think-seconds", type=float, default=default.think_seconds, help="how long the model thinks")
    add("--queue-seconds", type=float, default=default.queue_seconds, help="how long a run stays queued")
    add("--cancel-seconds", type=float, default=default.cancel_seconds, help="how long a cancel takes")
    add("--accept-any-assistant", action="store_true", help="assistants need not exist")
    add("--poll-after-ms", type=int, help="send this poll hint with each read of a run")
    add("--forget-after-seconds", type=float, help="forget what is older")
    add("--seed", type=int, default=default.seed, help="makes the ids")
    help_text = f"differ from OpenAI so, may be repeated: {', '.join(Quirk)}"
    add("--quirk", action="append", default=[], choices=list(Quirk), metavar="NAME", help=help_text)
    add("--manual-clock", action="store_true", help="time stands still until POST /_control/clock")
    add("--exit-with-parent", action="store_true", help="end when stdin does")
    return parser


if __name__ == "__main__":
    sys.exit(main())
