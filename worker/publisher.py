"""Publish Celery messages through one kept producer.

Celery's `send_task` asks registry, router and pool for each message, and makes a result to wait on: more than half of
what a message costs here. These messages name their queue and nobody waits for a result, so their headers are built
and handed over by the two functions that `send_task` itself ends in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from kombu.utils.uuid import uuid


@dataclass(frozen=True, slots=True)
class Message:
    """One Celery message: it carries no content, no URL and no key."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "runs"
    time_limit_seconds: float | None = None
    """After so long the worker kills the child that runs it."""


class Publisher:
    """Hand messages to the broker; for one thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._producer: Any = None
        self._declared: set[str] = set()

    def publish(self, message: Message) -> None:
        """Wait until the broker has taken a message; raises whatever its library raises."""
        try:
            self._hand_over(message)
        except Exception:
            self.close()  # what it holds may be broken for good; the next message begins anew
            raise

    def _hand_over(self, message: Message) -> None:
        if self._producer is None:
            self._producer = self._app.producer_pool.acquire(block=True)
        celery_message = self._app.amqp.create_task_message(
            uuid(),
            message.task,
            message.args,
            dict(message.kwargs),
            time_limit=message.time_limit_seconds,
            ignore_result=True,
            # They are short and plain: cutting them down by Celery's rules costs a tenth of the message.
            argsrepr=repr(message.args),
            kwargsrepr=repr(dict(message.kwargs)),
        )
        declare: list[Any] | None = [] if message.queue in self._declared else None  # none: the queue itself
        self._app.amqp.send_task_message(
            self._producer, message.task, celery_message, queue=message.queue, declare=declare
        )
        self._declared.add(message.queue)

    def close(self) -> None:
        """Give the producer back."""
        self._declared.clear()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.release()
