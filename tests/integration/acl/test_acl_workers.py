"""Real workers, Flower and the doctor under the users of config/redis.acl."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from celery import Celery

from config.celery_settings import celery_url
from tests.integration.acl.guarded import ROOT, Guarded, programs
from tests.ports import free_port
from threadrun import RunClient
from threadrun.cli import run as threadrun
from threadrun.redis_urls import RedisAddress
from threadrun.status import Outcome
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.procfile import procfile_command

HANDLERS = """
import os, signal
from threadrun import tool

@tool
def add(a: int, b: int) -> int:
    return a + b

@tool
def crash() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
"""


LOGIN = ("operator", "a-long-password")


def seen_in_flower(stack: LocalStack, task: str) -> bool:
    url = f"http://127.0.0.1:{stack.env['THREADRUN_FLOWER__PORT']}/api/tasks"
    try:
        return task in httpx.get(url, auth=LOGIN, timeout=5).text
    except httpx.HTTPError:
        return False


@pytest.fixture
def stack(guarded: Guarded, tmp_path: Path) -> Iterator[LocalStack]:
    """Workers of both kinds, with the workers' user at the guarded server."""
    (tmp_path / "acl_handlers.py").write_text(HANDLERS)
    env = {
        "THREADRUN_REDIS_URL": guarded.url_of("worker"),
        "THREADRUN_FLOWER__USER": LOGIN[0],
        "THREADRUN_FLOWER__PASSWORD": LOGIN[1],
        "THREADRUN_FLOWER__PORT": str(free_port()),
    }
    with LocalStack(["acl_handlers"], checkout=ROOT, paths=[tmp_path], env=env) as stack:
        # In the checkout, where Flower's configuration is.
        flower = GuardedProcess(
            procfile_command(ROOT, "flower", ""), log=tmp_path / "flower.log", env=stack.env, cwd=ROOT
        )
        flower.wait_until(lambda: seen_in_flower(stack, "") or None, 60)
        yield stack
        flower.close()


@pytest.mark.parametrize("server", list(programs())[:1], indirect=True)
def test_real_workers_carry_the_web_apps_runs(stack: LocalStack, guarded: Guarded, web: RunClient) -> None:
    """For so long that Celery's own housekeeping has come round too, and with everything that it does for us."""
    began = time.monotonic()
    long = web.enqueue("asst_demo", messages="think 6\nsay done", thread_id=None)
    text = 'call add {"a": 1, "b": 2} and crash\nsay $1'
    texts = [web.enqueue("asst_demo", messages=text, tools=["add", "crash"]).wait(30).output_text]
    celery = Celery(broker=celery_url(RedisAddress.parse(guarded.url_of("worker"))), set_as_current=False)
    celery.conf.update(
        result_backend=celery.conf.broker_url,
        broker_transport_options={"global_keyprefix": "threadrun:mq:"},
        result_backend_transport_options={"global_keyprefix": "threadrun:mq:"},
    )
    request = {"assistant_id": "asst_demo", "messages": "say by name", "idempotency_key": "by-name"}
    assert celery.send_task("runs.enqueue", [request], queue="runs").get(timeout=20) == "by-name"
    texts.append(web.wait("by-name", 30).output_text)
    cancelled = web.enqueue("asst_demo", messages="think 60\nsay never")
    cancelled.cancel()
    outcomes = [cancelled.wait(30).outcome, long.wait(30).outcome]
    doctor = threadrun(["doctor", "--redis-url", guarded.url_of("worker")])
    celery.close()
    until(lambda: seen_in_flower(stack, "tools.execute"))

    assert texts == ["3", "by name"]
    assert outcomes == [Outcome.CANCELLED, Outcome.COMPLETED]
    assert time.monotonic() - began > 5
    assert doctor == 0
    assert stack.stop("runs") == 0
    assert stack.stop("tools") == 0
    # A worker asks for appendfsync, and is content if it may not.
    asking = "config|get" if guarded.version >= (7,) else "config"
    assert set(guarded.denied()) == {f"threadrun_worker command {asking}"}


def until(reached: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
