"""Messages are sent from a thread that outlives every failure of the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import cast

import pytest

from worker.outbox import Outbox
from worker.publisher import Message, Publisher


class Broker:
    """Stand in for the publisher: takes messages, or raises, or makes its caller wait."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.closed = False
        self.errors: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()

    def publish(self, message: Message) -> None:
        self.asked.set()
        assert self.open.wait(5)
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(message)

    def close(self) -> None:
        self.closed = True

    @property
    def tasks(self) -> list[str]:
        return [message.task for message in self.taken]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def outbox(broker) -> Iterator[Outbox]:
    made = Outbox(cast(Publisher, broker))
    made.start()
    yield made
    broker.open.set()
    made.close(5)


def test_what_the_broker_refuses_is_told_to_the_sender_and_the_next_is_sent(broker, outbox):
    broker.errors = [ConnectionError("down"), RuntimeError("odd")]
    refused = [outbox.send(Message(f"t{n}")) for n in range(2)]
    outbox.send(Message("next")).result(5)

    assert [type(one.exception(5)) for one in refused] == [ConnectionError, RuntimeError]
    assert broker.tasks == ["next"]


@pytest.mark.parametrize("error", [None, ConnectionError("down")])
def test_a_sender_that_gave_up_waiting_does_not_end_the_thread(broker, outbox, error):
    """The answer to a message that nobody waits for any more must not be the last thing it does."""
    broker.open.clear()
    under_way = outbox.send(Message("first"))
    assert broker.asked.wait(5)
    given_up = outbox.send(Message("second"))
    assert given_up.cancel()
    broker.errors = [error] if error else []
    under_way.cancel()
    broker.open.set()

    outbox.send(Message("third")).result(5)
    assert broker.tasks[-1] == "third"
    assert "second" not in broker.tasks
    with pytest.raises(CancelledError):
        given_up.result(0)


def test_a_full_outbox_refuses_at_once_and_never_makes_its_caller_wait(broker, outbox, monkeypatch):
    monkeypatch.setattr("worker.outbox.CAPACITY", 2)
    small = Outbox(cast(Publisher, broker))
    waiting = [small.send(Message(f"t{n}")) for n in range(3)]

    assert [one.done() for one in waiting] == [False, False, True]
    assert isinstance(waiting[2].exception(0), TimeoutError)


def test_closing_sends_what_waits(broker):
    outbox = Outbox(cast(Publisher, broker))
    for n in range(5):
        outbox.send(Message(f"t{n}"))
    outbox.start()
    outbox.close(5)

    assert broker.tasks == ["t0", "t1", "t2", "t3", "t4"]
    assert broker.closed


def test_closing_waits_no_longer_than_it_was_told(broker):
    outbox = Outbox(cast(Publisher, broker))
    broker.open.clear()
    outbox.start()
    outbox.send(Message("stuck"))
    assert broker.asked.wait(5)
    began = time.monotonic()
    outbox.close(0.05)

    assert time.monotonic() - began < 2
    broker.open.set()


def test_an_outbox_that_never_began_can_be_closed(broker):
    Outbox(cast(Publisher, broker)).close(0)

    assert broker.taken == []
