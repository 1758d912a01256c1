"""Celery's consumer behind the gate: a message that is not served is dropped and logged, and the worker lives.

Without it, one message of a wrong form ends the worker, and Redis gives it to the next one.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer
from kombu import compression
from kombu.transport import redis as redis_transport

from config.celery_settings import RUNS_QUEUE
from threadrun.errors import InvalidRequest, Problem
from worker.gate import ENQUEUE, TOLD, kept_headers, refusal
from worker.kept_client import KeptClient
from worker.reconnect import reconnect

log = structlog.get_logger("threadrun.gate")

EVENTS_EVERY_SECONDS = 0.5
"""How often the events of tasks, which Flower shows, are published: together, and not a message for each."""

EVENTS_AT_ONCE = 1000
"""How many events are published earlier; Celery's limit, 24, is eight tasks."""

_celery_log = logging.getLogger("celery.worker.consumer")


class GatedConsumer(Consumer):  # type: ignore[misc]  # Celery has no annotations
    """Take messages that are what they should be."""

    def start(self) -> None:
        """Begin; what is under way goes on when a connection breaks, and Celery's advice against it is not wanted."""
        # Here, for Celery shows these warnings from when it sets up the log.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        super().start()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Put the gate before Celery's own handler."""
        receive = super().create_task_handler(*args, **kwargs)
        kind = "runs." if RUNS_QUEUE in self.app.amqp.queues.consume_from else "tools."
        served = {name for name in self.app.tasks if name.startswith(kind)}
        # The connection's own failures are Celery's to mend.
        passed_on = (*self.connection_errors, *self.channel_errors, MemoryError)

        def on_message(message: Any) -> None:
            reason = refusal(message, served)
            if reason:
                self._drop(message, reason)
                return
            message.headers = kept_headers(message.headers, message.headers["task"])
            message.headers["argsrepr"] = repr(message.payload[0])
            try:
                receive(message)
            except passed_on:
                raise
            except Exception as error:  # it must not end the worker, nor come again
                self._drop(message, type(error).__name__)

        return on_message

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for the broker in our own way."""
        return reconnect(conn)

    def register_with_event_loop(self, hub: Any) -> None:
        """Have events published now and then."""
        super().register_with_event_loop(hub)
        if self.event_dispatcher:
            self.event_dispatcher.buffer_limit = EVENTS_AT_ONCE
        hub.call_repeatedly(EVENTS_EVERY_SECONDS, self._flush_events)

    def on_send_event_buffered(self) -> None:
        """Leave a task's event until then; Celery would publish it at once."""

    def stop(self) -> None:
        """Publish the last events, and stop."""
        with suppress(Exception):  # the broker may be gone
            self._flush_events()
        super().stop()

    def _drop(self, message: Any, reason: str) -> None:
        task = message.headers.get("task") if isinstance(message.headers, dict) else None
        # What stands in a name's place may be anything: only a name that is known is told.
        log.warning("message.refused", reason=reason, task=task if task in list(self.app.tasks) else "")
        if task == ENQUEUE and reason in TOLD:
            self._tell(message.headers["id"], reason)
        if not message.acknowledged:
            message.reject_log_error(_celery_log, self.connection_errors)

    def _tell(self, task_id: str, reason: str) -> None:
        """Fail the task for a caller who waits for its run key."""
        problem = Problem(
            reason, "a message to runs.enqueue carries one request and nothing else of Celery's"
        )
        with suppress(Exception):  # nobody may be there to read it
            self.app.backend.mark_as_failure(task_id, InvalidRequest([problem]))


class _ReadsOn:
    """Read on after an entry of the broker's list that no client of it has made."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # of Kombu's channel
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            log.warning("message.refused", reason="unreadable", task="", error=type(error).__name__)
            return True


class GatedChannel(_ReadsOn, KeptClient, redis_transport.Channel):
    """Read from Redis."""


class GatedSentinelChannel(_ReadsOn, KeptClient, redis_transport.SentinelChannel):
    """Read from the Redis that Sentinel names."""


def gate_broker() -> None:
    """Have this process read on after broken entries, and inflate nothing that it receives."""
    redis_transport.Transport.Channel = GatedChannel
    redis_transport.SentinelTransport.Channel = GatedSentinelChannel
    codecs: Any = compression
    for content_type in codecs.encoders():
        # A compressed message is inflated while it is received, without a limit; threadrun compresses none.
        codecs.register(codecs.get_encoder(content_type)[0], _refuse, content_type)


def _refuse(_body: bytes) -> bytes:
    raise ValueError("compressed messages are not read")
