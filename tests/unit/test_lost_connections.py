"""A worker outlives a broker connection that breaks while the messages of another are given back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.lost_connections import PatientQoS, outlive_lost_connections


class Gone:
    """A channel whose transport is closed already, or whose Redis went away again."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def conn_or_acquire(self, client: Any = None) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [AttributeError("hostname"), RedisConnectionError("refused"), OSError(111)])
def test_messages_that_cannot_be_given_back_are_left_to_their_visibility_timeout(error: Exception) -> None:
    qos = object.__new__(PatientQoS)
    qos.channel = Gone(error)
    qos._delivered = {"tag": SimpleNamespace(headers={"task": "runs.poll"}, delivery_info={})}

    qos.restore_unacked()


def test_every_channel_is_patient() -> None:
    outlive_lost_connections()

    assert kombu_redis.Channel.QoS is PatientQoS
