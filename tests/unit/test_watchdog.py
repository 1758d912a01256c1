"""A watchdog ends the process after ten looks without a sign of life, and never for a broker that is away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from worker.own_consumer import OwnConsumer
from worker.watchdog import EXIT_CODE, LOOKS, Stuck, Watchdog

ROOT = Path(__file__).parents[2]


def watchdog(signs: list[bool], ended: list[Stuck]) -> Watchdog:
    return Watchdog("loop", lambda: signs.pop(0), 30, threading.main_thread, ended.append)


def test_ten_looks_in_a_row_without_a_sign_end_the_process_and_show_where_it_is_stuck() -> None:
    ended: list[Stuck] = []
    dog = watchdog([False] * LOOKS, ended)
    for _ in range(LOOKS - 1):
        dog.look()
    assert ended == []

    dog.look()

    (stuck,) = ended
    assert (stuck.what, stuck.seconds) == ("loop", 30)
    assert "test_watchdog.py:" in stuck.stack


def test_one_sign_starts_the_count_again() -> None:
    ended: list[Stuck] = []
    dog = watchdog([False] * (LOOKS - 1) + [True] + [False] * (LOOKS - 1), ended)
    for _ in range(2 * LOOKS - 1):
        dog.look()

    assert ended == []


def test_a_watchdog_that_was_stopped_ends_nothing() -> None:
    ended: list[Stuck] = []
    dog = watchdog([False] * LOOKS, ended)
    dog.stop()
    for _ in range(LOOKS):
        dog.look()

    assert ended == []


def test_the_process_ends_even_if_the_log_is_stuck_too_and_still_says_why() -> None:
    program = """
import logging, threading
from worker.watchdog import Watchdog
import structlog
class Stuck(logging.Handler):
    def emit(self, record): threading.Event().wait()
structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), processors=[structlog.stdlib.render_to_log_kwargs])
logging.getLogger().addHandler(Stuck())
Watchdog("loop", lambda: False, 0.1, threading.main_thread).start()
threading.Event().wait(30)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, timeout=30, check=False, stderr=subprocess.PIPE)

    assert done.returncode == EXIT_CODE
    line = json.loads(done.stderr)
    assert (line["event"], line["level"], line["what"]) == ("worker.stuck", "critical", "loop")
    assert "wait" in line["stack"]


class FakeBroker:
    """Stands for app, connection and queue; a ping and a queue's length are all that is asked of it."""

    def __init__(self) -> None:
        self.waiting, self.answers, self.reachable = 0, True, True
        self.amqp = SimpleNamespace(queues={"runs": self})
        self.control = self
        self.default_channel = None

    @contextmanager
    def connection_for_write(self) -> Iterator[FakeBroker]:
        yield self

    def ensure_connection(self, **_: Any) -> None:
        if not self.reachable:
            raise ConnectionRefusedError

    def bind(self, _: object) -> FakeBroker:
        return self

    def queue_declare(self) -> Any:
        return SimpleNamespace(message_count=self.waiting)

    def ping(self, *, destination: list[str], **_: Any) -> list[dict[str, str]]:
        return [{destination[0]: "pong"}] if self.answers else []


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def consumer(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> OwnConsumer:
    monkeypatch.setattr(state, "all_total_count", [0])
    monkeypatch.setattr(state, "active_requests", set())
    asked = OwnConsumer(broker, "runs@here", "runs", threads=2)
    assert asked.gives_sign()  # the first look has nothing to compare with
    assert asked.gives_sign()  # the second is answered
    return asked


def test_a_consumer_that_answers_its_own_name_lives(consumer: OwnConsumer) -> None:
    assert consumer.gives_sign()


def test_a_consumer_that_does_not_answer_any_more_is_dead(consumer: OwnConsumer, broker: FakeBroker) -> None:
    broker.answers = False

    assert not consumer.gives_sign()


def test_a_broker_that_cannot_be_reached_freshly_proves_nothing(
    consumer: OwnConsumer, broker: FakeBroker
) -> None:
    broker.answers = broker.reachable = False

    assert consumer.gives_sign()


def test_messages_that_wait_while_it_takes_none_prove_it_dead_even_if_it_answers(
    consumer: OwnConsumer, broker: FakeBroker
) -> None:
    broker.waiting = 3

    assert not consumer.gives_sign()


def test_a_message_taken_since_the_last_look_is_a_sign(consumer: OwnConsumer, broker: FakeBroker) -> None:
    broker.waiting, broker.answers = 3, False
    state.all_total_count[0] += 1

    assert consumer.gives_sign()


def test_a_consumer_whose_threads_are_all_busy_need_not_take_more(
    consumer: OwnConsumer, broker: FakeBroker
) -> None:
    broker.waiting, broker.answers = 3, False
    state.active_requests.update({"one", "two"})

    assert consumer.gives_sign()


def test_where_nobody_ever_answered_a_name_silence_says_nothing(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "all_total_count", [0])
    broker.answers = False
    asked = OwnConsumer(broker, "runs@here", "runs", threads=2)
    asked.gives_sign()

    assert asked.gives_sign()
