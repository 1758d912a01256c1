"""RabbitMQ as the broker by settings alone. Where none is installed, this file is not collected (conftest.py)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from celery import Celery

from config.celery_settings import celery_url
from tests.e2e.conftest import HERE, ROOT, Effects
from tests.e2e.rabbitmq import rabbitmq_node
from threadrun.redis_urls import RedisAddress
from threadrun.testing import LocalStack

CONSUMER_SECONDS = 3
"""How long a consumer may be deaf in this stack: less than a run takes, so that its watchdog has asked too."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, effects_file: object) -> Iterator[LocalStack]:
    with rabbitmq_node(tmp_path_factory.mktemp("rabbitmq")) as url:
        env = {
            "THREADRUN_BROKER_URL": url,
            "THREADRUN_LOG__LEVEL": "DEBUG",
            "THREADRUN_ENGINE__CONSUMER_SILENCE_SECONDS": str(CONSUMER_SECONDS),
            "E2E_EFFECTS_FILE": str(effects_file),
        }
        with LocalStack(["handlers"], checkout=ROOT, paths=[HERE], env=env) as started:
            yield started


def test_runs_with_tools_and_the_task_by_name_go_over_rabbitmq(stack: LocalStack, effects: Effects) -> None:
    texts = ['call add {"a": 1, "b": 2} and crash\nsay $1', "think 1\nsay hello"]
    runs = [stack.client.enqueue("asst_demo", messages=text, tools=["add", "crash"]) for text in texts]

    assert [run.wait(30).output_text for run in runs] == ["3", "hello"]
    assert effects(runs[0].key) == {"add": 1, "crash": 1}
    celery = Celery(broker=stack.env["THREADRUN_BROKER_URL"], set_as_current=False)
    celery.conf.result_backend = celery_url(RedisAddress.parse(stack.redis_url))
    celery.conf.result_backend_transport_options = {"global_keyprefix": "threadrun:mq:"}
    request = {"assistant_id": "asst_demo", "messages": "say by name", "idempotency_key": "by-name"}
    assert celery.send_task("runs.enqueue", [request], queue="runs").get(timeout=20) == "by-name"
    assert stack.client.wait("by-name", 30).output_text == "by name"
    celery.close()


def test_an_idle_worker_hears_itself_over_rabbitmq_and_is_not_taken_for_deaf(stack: LocalStack) -> None:
    idle_until = time.monotonic() + 1.5 * CONSUMER_SECONDS
    while time.monotonic() < idle_until:
        assert stack.running("runs")
        time.sleep(0.05)

    log = stack.logs("runs")
    assert "pidbox received method ping()" in log
    assert [line for line in ("worker.stuck", "consumer.not_asked") if line in log] == []
    assert stack.client.enqueue("asst_demo", messages="say awake").wait(30).output_text == "awake"
    assert stack.stop("runs") == 0
