"""A Redis that is killed and comes back with its append-only file, while callers of every kind wait."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.integration.carrying import finish_from
from tests.integration.redis_server import redis_server
from threadrun.client import AsyncRunClient, RunClient
from threadrun.keys import Keys
from threadrun.redis_clients import connect_async
from threadrun.status import Outcome, Stage
from worker.store.runs import RunStore

AWAY_SECONDS = 4.0
"""Longer than `threadrun wait` waits before it looks for what is in the way."""
KEY = "order-7"


class Waiters:
    """One caller of each kind, begun before the restart; what each got stands in `got`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: dict[str, Any] = {}
        works = {
            "wait": self._wait,
            "async wait": lambda: asyncio.run(self._async_wait()),
            "follow": self._follow,
            "async follow": lambda: asyncio.run(self._async_follow()),
        }
        self.threads = [threading.Thread(target=self._keep, args=pair) for pair in works.items()]
        self.processes = {
            " ".join(line): self._cli(*line)
            for line in (("wait", KEY), ("events", KEY, "--follow"), ("stats", "--watch", "--every", "0.2"))
        }

    def _cli(self, *line: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "threadrun.cli", *line, "-o", "json", "--redis-url", self.url]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _keep(self, name: str, work: Any) -> None:
        try:
            self.got[name] = work()
        except Exception as error:
            self.got[name] = error

    def _wait(self) -> Any:
        return RunClient.from_url(self.url).wait(KEY, 30).outcome

    async def _async_wait(self) -> Any:
        client = AsyncRunClient.from_url(self.url)
        try:
            return (await client.wait(KEY, 30)).outcome
        finally:
            await client.close()

    def _follow(self) -> Any:
        return [event.seq for event in RunClient.from_url(self.url).events(KEY, follow=True)]

    async def _async_follow(self) -> Any:
        client = AsyncRunClient.from_url(self.url)
        try:
            return [event.seq async for event in client.events(KEY, follow=True)]
        finally:
            await client.close()

    def looked(self) -> bool:
        """Tell whether each of them has asked Redis: threads and two of the commands as clients by name."""
        client = RunClient.from_url(self.url)._redis
        try:
            names = [one["name"] for one in client.client_list()]
        finally:
            client.close()
        return names.count("threadrun-cli") >= 3 and names.count("threadrun") >= 5

    def join(self, back_at: datetime) -> None:
        for thread in self.threads:
            thread.join(30)
        *ending, watching = self.processes
        for name in ending:
            process = self.processes[name]
            out, err = process.communicate(timeout=30)
            self.got[name] = (process.returncode, out, err)
        self.got[watching] = self._watched(self.processes[watching], back_at)

    def _watched(self, process: subprocess.Popen[str], back_at: datetime) -> list[datetime]:
        assert process.stdout
        looks = []
        for line in process.stdout:
            looks.append(datetime.fromisoformat(json.loads(line)["at"]))
            if looks[-1] > back_at:
                break
        process.terminate()
        process.communicate(timeout=30)
        return looks


@pytest.fixture(scope="module")
def got(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("restart")
    with redis_server(folder, "--appendonly", "yes") as url:
        RunClient.from_url(url).enqueue("asst", thread_id="thread_1", messages="hi", idempotency_key=KEY)
        waiters = Waiters(url)
        for thread in waiters.threads:
            thread.start()
        deadline = time.monotonic() + 30
        while not waiters.looked():
            assert time.monotonic() < deadline, "they never began"
            time.sleep(0.05)
    time.sleep(AWAY_SECONDS)  # what is tested: nobody gives up while Redis is away
    with redis_server(folder, "--appendonly", "yes") as url:
        back_at = datetime.now(UTC)
        asyncio.run(finished(url))
        waiters.join(back_at)
        yield waiters.got


async def finished(url: str) -> None:
    redis = connect_async(url)
    try:
        await finish_from(RunStore(redis, Keys()), Stage.CREATE)
    finally:
        await redis.aclose()


@pytest.mark.parametrize("name", ["wait", "async wait"])
def test_a_wait_goes_on_and_gives_the_final_record(got: dict[str, Any], name: str) -> None:
    assert got[name] is Outcome.COMPLETED


@pytest.mark.parametrize("name", ["follow", "async follow"])
def test_a_follower_misses_no_event_and_gets_none_twice(got: dict[str, Any], name: str) -> None:
    assert got[name] == list(range(1, len(got[name]) + 1))
    assert len(got[name]) > 2


def test_the_command_line_waits_on(got: dict[str, Any]) -> None:
    code, out, err = got[f"wait {KEY}"]

    assert (code, err) == (0, "")
    assert json.loads(out)["runs"][0]["outcome"] == "completed"


def test_the_command_line_follows_on(got: dict[str, Any]) -> None:
    code, out, err = got[f"events {KEY} --follow"]

    assert (code, err) == (0, "")
    assert [json.loads(line)["seq"] for line in out.splitlines()] == got["follow"]


def test_the_command_line_watches_on(got: dict[str, Any]) -> None:
    looks = got["stats --watch --every 0.2"]

    pauses = [(later - first).total_seconds() for first, later in pairwise(looks)]
    assert max(pauses) >= AWAY_SECONDS
