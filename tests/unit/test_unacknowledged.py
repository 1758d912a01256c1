"""Only a message that cannot be made again is written down while a worker has it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakeredis import FakeRedis
from kombu import Connection
from kombu.transport import redis as kombu_redis

from config.lost_connections import PatientQoS

WAKE_UP, REQUEST = "runs.poll", "runs.enqueue"


class Channel(kombu_redis.Channel):
    """A channel whose Redis is in memory."""

    QoS = PatientQoS

    def _create_client(self, asynchronous: bool = False) -> Any:
        return REDIS


REDIS = FakeRedis(protocol=2)


@pytest.fixture
def channel() -> Any:
    REDIS.flushall()
    transport = type("Memory", (kombu_redis.Transport,), {"Channel": Channel})
    connection = Connection(transport=transport)
    return connection.channel()


def taken(channel: Any, task: str) -> Any:
    """Put a message into the queue as a sender does, and take it."""
    queue = channel.queue_declare("q")
    channel.exchange_declare("q")
    channel.queue_bind(queue.queue, "q", "q")
    body = json.dumps([["default"], {}, {}])
    message = channel.prepare_message(body, content_type="application/json", headers={"task": task})
    channel.basic_publish(message, "q", "q")
    return channel.basic_get("q")


def waiting() -> list[str]:
    return [json.loads(text)["headers"]["task"] for text in REDIS.lrange("q", 0, -1)]


def written() -> int:
    return int(REDIS.hlen("unacked"))


def test_a_wake_up_is_taken_and_acknowledged_without_being_written_down(channel: Any) -> None:
    message = taken(channel, WAKE_UP)
    assert written() == 0
    message.ack()
    channel.qos.restore_unacked_once()

    assert (written(), waiting()) == (0, [])


def test_a_callers_request_is_written_down_until_it_is_acknowledged(channel: Any) -> None:
    message = taken(channel, REQUEST)
    assert written() == 1
    message.ack()

    assert (written(), waiting()) == (0, [])


@pytest.mark.parametrize("task", [WAKE_UP, REQUEST])
def test_what_a_stopping_worker_has_not_begun_is_given_back(channel: Any, task: str) -> None:
    taken(channel, task)
    channel.qos.restore_unacked_once()

    assert (written(), waiting()) == (0, [task])


@pytest.mark.parametrize("task", [WAKE_UP, REQUEST])
def test_a_message_can_be_refused_and_given_back(channel: Any, task: str) -> None:
    taken(channel, task).reject()
    assert (written(), waiting()) == (0, [])

    taken(channel, task).requeue()
    assert (written(), waiting()) == (0, [task])
