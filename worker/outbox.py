"""Send Celery messages from a thread of its own.

Publishing blocks, for more than 15 s when the broker hangs; so it never happens on the asyncio loop or in the
tick. The queue is bounded: what does not fit is dropped, for every message here will be sent again by a later
look at the agenda.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

import structlog

from worker.publisher import Message, Publisher

log = structlog.get_logger("threadrun.outbox")

CAPACITY = 10_000
"""How many messages may wait; about ten seconds of work."""


class Outbox:
    """Queue messages for the sending thread."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: queue.SimpleQueue[tuple[Message, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="threadrun-outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def send(self, message: Message) -> Future[None]:
        """Queue a message; the future tells whether the broker took it."""
        sent: Future[None] = Future()
        if self._waiting.qsize() < CAPACITY:
            self._waiting.put((message, sent))
        else:
            sent.set_exception(TimeoutError("the outbox is full: the broker does not take messages"))
        return sent

    def close(self, timeout_seconds: float) -> None:
        """Send what waits, then end."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(timeout_seconds)

    def _send_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            message, sent = item
            if not sent.set_running_or_notify_cancel():
                continue  # whoever waited for it has given up, and will send it again
            try:
                self._publisher.publish(message)
            except Exception as error:  # whatever the broker's library raises: the thread must live on
                log.warning("message.not_sent", task=message.task, error=type(error).__name__)
                sent.set_exception(error)
            else:
                sent.set_result(None)
        self._publisher.close()
