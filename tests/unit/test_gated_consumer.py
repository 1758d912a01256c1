"""The events of tasks, which Flower shows, are published together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

from celery import Celery
from celery.bootsteps import TERMINATE
from celery.exceptions import CPendingDeprecationWarning

from worker.gated_consumer import EVENTS_EVERY_SECONDS, GatedConsumer


class Hub:
    """Stand in for the worker's loop: keeps what is to be called now and then."""

    def __init__(self) -> None:
        self.timers: dict[float, Callable[[], Any]] = {}

    def call_repeatedly(self, seconds: float, call: Callable[[], Any]) -> None:
        self.timers[seconds] = call


def test_the_events_of_many_tasks_wait_for_the_next_half_second_and_go_in_one_message():
    consumer, hub, published = GatedConsumer.__new__(GatedConsumer), Hub(), []
    dispatcher = Celery(set_as_current=False).events.Dispatcher(
        Mock(), enabled=False, buffer_group=["task"], on_send_buffered=consumer.on_send_event_buffered
    )
    dispatcher.enabled, dispatcher._closed = True, False
    dispatcher._publish = lambda events, producer, routing_key: published.append((routing_key, len(events)))
    consumer.event_dispatcher, consumer.blueprint = dispatcher, Mock()
    consumer.register_with_event_loop(hub)

    for _ in range(300):
        dispatcher.send("task-received")
    assert published == []
    hub.timers[EVENTS_EVERY_SECONDS]()
    assert published == [("task.multi", 300)]


def test_a_lost_connection_is_told_without_celerys_advice_to_cancel_what_is_under_way():
    app = Celery(set_as_current=False)
    app.conf.worker_cancel_long_running_tasks_on_connection_loss = False
    app.conf.worker_enable_prefetch_count_reduction = False
    consumer = GatedConsumer.__new__(GatedConsumer)
    consumer.app, consumer.connection, consumer.blueprint = app, Mock(), Mock(state=TERMINATE)
    with warnings.catch_warnings(record=True) as told:
        # What Celery does in every worker when it sets up its logs.
        warnings.filterwarnings("always", category=CPendingDeprecationWarning)
        consumer.start()

        consumer.on_connection_error_after_connected(ConnectionError("gone"))

    assert told == []
    assert consumer.connection is None
