"""A channel of the broker's publishes through one Redis client, for as long as that is of use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.transport import redis as redis_transport

from tests.integration.redis_server import redis_server
from worker.gated_consumer import GatedChannel


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(redis_transport.Transport, "Channel", GatedChannel)
    with (
        redis_server(tmp_path) as url,
        Connection(url.replace("unix", "redis+socket").partition("?")[0]) as made,
    ):
        yield made


def _client(channel: GatedChannel) -> object:
    with channel.conn_or_acquire() as client:
        return client


def test_messages_share_a_client_and_arrive(connection):
    channel, queue = connection.default_channel, connection.SimpleQueue("q")
    before = _client(channel)
    for number in range(3):
        queue.put(number)

    assert [queue.get(timeout=5).payload for _ in range(3)] == [0, 1, 2]
    assert _client(channel) is before is not channel.client


def test_after_a_fork_or_a_lost_connection_the_client_is_that_of_the_new_pool(connection):
    channel = connection.default_channel
    before = _client(channel)
    channel._disconnect_pools()

    after = _client(channel)
    assert after is not before
    assert after.connection_pool is channel.pool
