"""Send Celery messages from a thread of its own.

Publishing blocks, for more than 15 s when the broker hangs; so it never happens on the asyncio loop or in the
tick. The queue is bounded: what does not fit is dropped, for every message here will be sent again by a later
look at the agenda.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import structlog
from celery import Celery

log = structlog.get_logger("threadrun.outbox")

CAPACITY = 10_000
"""How many messages may wait; about ten seconds of work."""


@dataclass(frozen=True, slots=True)
class Message:
    """One Celery message: it carries no content, no URL and no key."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "runs"
    time_limit_seconds: float | None = None
    """After so long the worker kills the child that runs it."""


class Outbox:
    """Queue messages for the sending thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: queue.Queue[tuple[Message, Future[None]] | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._send_all, name="threadrun-outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def send(self, message: Message) -> Future[None]:
        """Queue a message; the future tells whether the broker took it."""
        sent: Future[None] = Future()
        try:
            self._waiting.put_nowait((message, sent))
        except queue.Full:
            sent.set_exception(TimeoutError("the outbox is full: the broker does not take messages"))
        return sent

    def close(self, timeout_seconds: float) -> None:
        """Send what waits, then end."""
        if not self._thread.is_alive():
            return
        try:
            self._waiting.put(None, timeout=timeout_seconds)
        except queue.Full:
            return
        self._thread.join(timeout_seconds)

    def _send_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            message, sent = item
            if not sent.set_running_or_notify_cancel():
                continue  # whoever waited for it has given up, and will send it again
            try:
                self._publish(message)
            except Exception as error:  # whatever the broker's library raises: the thread must live on
                log.warning("message.not_sent", task=message.task, error=type(error).__name__)
                sent.set_exception(error)
            else:
                sent.set_result(None)

    def _publish(self, message: Message) -> None:
        self._app.send_task(
            message.task,
            args=message.args,
            kwargs=dict(message.kwargs),
            queue=message.queue,
            time_limit=message.time_limit_seconds,
            ignore_result=True,
        )
