"""A message leaves as Celery itself would send it, through one producer as long as that works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from worker.gate import kept_headers, refusal
from worker.publisher import Message, Publisher

CALL = Message("tools.execute", ("k", 1, 0), queue="slow", time_limit_seconds=70.0)
DONE = Message("shop.done", kwargs={"run_key": "k", "outcome": "completed"}, queue="shop")
CHOSEN_BY_CHANCE = {"id", "root_id", "origin"}


@pytest.fixture
def app() -> Iterator[Celery]:
    made = Celery(broker="memory://", set_as_current=False)
    made.conf.task_publish_retry_policy = {"max_retries": 0}
    yield made
    made.close()


@pytest.fixture
def publisher(app) -> Iterator[Publisher]:
    made = Publisher(app)
    yield made
    made.close()


def received(app: Celery, queue: str) -> Any:
    with app.connection_for_read() as connection:
        return app.amqp.queues[queue].bind(connection.default_channel).get(no_ack=True)


@pytest.mark.parametrize("message", [CALL, DONE])
def test_a_message_differs_in_nothing_but_its_ids_from_one_that_celery_sends(app, publisher, message):
    publisher.publish(message)
    app.send_task(
        message.task,
        message.args,
        dict(message.kwargs),
        queue=message.queue,
        time_limit=message.time_limit_seconds,
        ignore_result=True,
    )

    ours, theirs = received(app, message.queue), received(app, message.queue)
    assert ours.payload == theirs.payload
    assert ours.content_type == theirs.content_type
    differ = {name for name in {*ours.headers, *theirs.headers} if ours.headers[name] != theirs.headers[name]}
    assert differ <= CHOSEN_BY_CHANCE
    assert ours.headers["id"] == ours.properties["correlation_id"] != theirs.headers["id"]


def test_the_gate_lets_a_call_in_with_its_hard_limit(app, publisher):
    publisher.publish(CALL)

    message = received(app, "slow")
    assert refusal(message, {"tools.execute"}) == ""
    assert kept_headers(message.headers, CALL.task)["timelimit"] == [70.0, None]


def test_all_messages_go_through_one_producer(app, publisher):
    producers = [_used(app, publisher) for _ in range(3)]

    assert len(set(producers)) == 1


def test_after_a_failure_the_next_message_begins_with_a_producer_of_its_own(app, publisher, monkeypatch):
    _used(app, publisher)
    with monkeypatch.context() as broken:
        broken.setattr(type(publisher._producer), "publish", _refuse)
        with pytest.raises(OperationalError):
            publisher.publish(CALL)
    assert publisher._producer is None

    publisher.publish(CALL)
    assert [received(app, "slow").payload[0] for _ in range(2)] == [["k", 1, 0]] * 2


def _used(app: Celery, publisher: Publisher) -> Any:
    publisher.publish(CALL)
    return publisher._producer


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("down")
