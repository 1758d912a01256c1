"""Ask whether Celery's consumer in this worker still gets messages, over a broker connection made for the question.

A broker that cannot be reached proves nothing about the consumer: it is waited for. Only when a fresh connection
works and this worker's own does not is the consumer dead: the worker would stand idle for ever.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery
from celery.worker import state

PING_SECONDS = 2.0
"""How long the worker may take to answer itself."""

log = structlog.get_logger("threadrun.worker")


class OwnConsumer:
    """Look at the consumer of this process from outside, as another client of the broker."""

    def __init__(self, app: Celery, nodename: str, queue: str, threads: int) -> None:
        self._app = app
        self._nodename = nodename
        self._queue = queue
        self._threads = threads
        self._taken = -1
        self._has_answered = False

    def gives_sign(self) -> bool:
        """Tell whether the consumer gave a sign since the last look, or could not be asked."""
        taken, self._taken = self._taken, state.all_total_count[0]
        if taken != self._taken or len(state.active_requests) >= self._threads:
            return True
        try:
            with self._app.connection_for_write() as connection:
                return self._answers(connection)
        except Exception as error:  # whatever the broker's library raises: the broker is to be waited for
            log.debug("consumer.not_asked", error=type(error).__name__)
            return True

    def _answers(self, connection: Any) -> bool:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        if self._waiting(connection) and state.all_total_count[0] == self._taken:
            return False  # messages wait for a whole look, this worker has free hands, and takes none
        asked = {"destination": [self._nodename], "timeout": PING_SECONDS, "connection": connection}
        answered = bool(self._app.control.ping(**asked))
        self._has_answered = self._has_answered or answered
        # Where remote control has never worked (a broker that forbids it), silence says nothing.
        return answered or not self._has_answered

    def _waiting(self, connection: Any) -> int:
        queue = self._app.amqp.queues[self._queue].bind(connection.default_channel)
        return int(queue.queue_declare().message_count)
