"""Send the task that a caller wants sent when its run's record is final."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from threadrun.request import RunRequest
from worker.desk import Desk
from worker.publisher import Message
from worker.view import RunView

log = structlog.get_logger("threadrun.tell")

TELL_TIMEOUT_SECONDS = 10.0
"""How long the broker may take; then the lease lapses, and the caller is told again."""


async def tell(desk: Desk, run: RunView, wanted: Callable[[], Awaitable[RunRequest]]) -> None:
    """Send the caller's task; until the broker has taken it, the run stays due."""
    (outcome,) = await desk.store.text(run.key, "outcome")
    on_done = (await wanted()).on_done
    if on_done is not None:
        told = {"run_key": run.key, "outcome": outcome}
        sent = desk.outbox.send(Message(on_done.task, kwargs=told, queue=on_done.queue))
        try:
            await asyncio.wait_for(asyncio.wrap_future(sent), TELL_TIMEOUT_SECONDS)
        except Exception as error:  # the broker's own errors
            log.warning("run.not_told", run_key=run.key, error=type(error).__name__)
            return
    if await desk.store.told(run):
        log.info("run.told", run_key=run.key, run_id=run.run_id)
