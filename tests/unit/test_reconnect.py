"""A worker comes back within seconds of its broker, and says once a try that it waits."""

from __future__ import annotations

import socket

import pytest
from celery import Celery
from celery.exceptions import WorkerShutdown
from kombu.utils import functional
from redis.exceptions import AuthenticationError
from structlog.testing import capture_logs

from worker import reconnect
from worker.gated_consumer import GatedConsumer

TRIES = 30


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


def test_a_broker_that_is_away_for_long_is_tried_at_least_every_five_seconds(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
):
    slept: list[float] = []
    monkeypatch.setattr(functional, "sleep", slept.append)

    def stop_in_time():
        if len(logs) >= TRIES:
            raise WorkerShutdown(0)

    monkeypatch.setattr(reconnect, "maybe_shutdown", stop_in_time)
    app = Celery(broker=f"redis://:sesame@127.0.0.1:{closed_port}/0", set_as_current=False)
    consumer = GatedConsumer.__new__(GatedConsumer)
    consumer.app = app

    with capture_logs() as logs, pytest.raises(WorkerShutdown):
        consumer.connection_for_read()

    assert [line["event"] for line in logs] == ["broker.unreachable"] * TRIES
    assert [line["retry_seconds"] for line in logs[:6]] == [1, 2, 3, 4, 5, 5]
    assert {line["retry_seconds"] for line in logs[5:]} == {5}
    assert sum(slept) == pytest.approx(sum(line["retry_seconds"] for line in logs), abs=5)
    assert str(closed_port) in logs[0]["detail"]
    assert "sesame" not in str(logs)


def test_a_login_that_is_refused_is_an_error_of_its_own():
    class Refusing:
        def ensure_connection(self, tell, **_):
            tell(AuthenticationError("invalid username-password pair"), 1.0)
            return self

    with capture_logs() as logs:
        reconnect.reconnect(Refusing())

    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "broker.login_refused")]
