"""Lets a test break a worker from outside, by a signal: the interpreter imports this file when it starts.

SIGRTMIN+1 blocks the event loop for good, SIGRTMIN+2 the main thread, in which Celery's consumer lives.
"""

from __future__ import annotations

import signal
import sys
import threading

BLOCK_LOOP = signal.SIGRTMIN + 1
BLOCK_MAIN = signal.SIGRTMIN + 2


def wait_for_ever() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


async def call_what_blocks() -> None:
    wait_for_ever()


def block_loop(*_: object) -> None:
    import asyncio

    loop = sys.modules["worker.process"].process.runs._loop._loop
    asyncio.run_coroutine_threadsafe(call_what_blocks(), loop)


signal.signal(BLOCK_LOOP, block_loop)
signal.signal(BLOCK_MAIN, lambda *_: wait_for_ever())
