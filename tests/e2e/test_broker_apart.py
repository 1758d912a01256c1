"""The broker is another server than the store: what one has taken is not lost while the other is away."""

from __future__ import annotations

import os
import signal
import time

from celery import Celery

from config.celery_settings import celery_url
from tests.e2e.conftest import ROOT
from threadrun.redis_urls import RedisAddress
from threadrun.testing import EmbeddedRedis, LocalStack


def test_a_message_that_comes_while_the_store_is_away_becomes_a_run_once_it_is_back() -> None:
    with (
        EmbeddedRedis() as broker,
        LocalStack(tools_workers=0, checkout=ROOT, env={"THREADRUN_BROKER_URL": broker.url}) as stack,
        Celery(broker=celery_url(RedisAddress.parse(broker.url)), set_as_current=False) as shop,
    ):
        shop.conf.broker_transport_options = {"global_keyprefix": "threadrun:mq:"}
        request = {"assistant_id": "asst_demo", "messages": "say hello", "idempotency_key": "mail-7"}
        os.kill(stack.redis.pid, signal.SIGKILL)
        shop.send_task("runs.enqueue", [request], queue="runs", ignore_result=True)
        give_up_at = time.monotonic() + 60
        while '"message.put_back"' not in stack.logs("runs"):
            assert time.monotonic() < give_up_at, stack.logs("runs")
            time.sleep(0.05)
        stack.redis.restart()

        while not stack.client.list():
            assert time.monotonic() < give_up_at, stack.logs("runs")
            time.sleep(0.05)
        assert stack.client.wait("mail-7", 60).output_text == "hello"
        assert "hello" not in stack.logs("runs")
