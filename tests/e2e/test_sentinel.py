"""Redis Sentinel by settings alone: the master is killed in the middle of runs, and every run still ends right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.e2e.conftest import HERE, ROOT
from tests.e2e.test_crashes import QUICK
from tests.ports import free_port
from threadrun import RunClient, RunHandle, RunRecord
from threadrun.errors import StoreUnavailable
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.redis_choice import choose_redis

MASTER = "runs-master"
PATIENCE_SECONDS = 60
RUNS = 10


class Replicated:
    """A master with an append-only file, a replica, and a sentinel that watches both."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._folder, self._closing = folder, closing
        self.master_port, self.replica_port, self.sentinel_port = free_port(), free_port(), free_port()
        kept = ("--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0")
        self.master = self._start("master", "--port", str(self.master_port), *kept)
        # Two words: Redis 6.2 does not take them as one.
        replica_of = ("--replicaof", "127.0.0.1", str(self.master_port))
        replica = self._start("replica", "--port", str(self.replica_port), *kept, *replica_of)
        replica.wait_until(self._in_sync, 60)
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.sentinel_port}\nbind 127.0.0.1\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self.master_port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 6000\n"
        )
        sentinel = self._start("sentinel", str(configuration), "--sentinel")
        sentinel.wait_until(self._watched, 60)

    def _start(self, name: str, *options: str) -> GuardedProcess:
        folder = self._folder / name
        folder.mkdir()
        command = [*choose_redis().command, *options, "--dir", str(folder)]
        process = GuardedProcess(command, log=folder / "log.txt")
        self._closing.callback(process.close)
        return process

    def _in_sync(self) -> bool | None:
        return (asked(self.replica_port, "info", "replication") or {}).get(
            "master_link_status"
        ) == "up" or None

    def _watched(self) -> bool | None:
        masters = (asked(self.sentinel_port, "info", "sentinel") or {}).get("master0") or {}
        return masters.get("slaves") == 1 or None

    @property
    def url(self) -> str:
        return f"sentinel://127.0.0.1:{self.sentinel_port}/0"


def asked(port: int, *command: str) -> dict[str, dict[str, object] | str] | None:
    with Redis(port=port, retry=None, decode_responses=True) as client:
        try:
            answer: dict[str, dict[str, object] | str] = client.execute_command(*command)
        except RedisError:
            return None
        return answer


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Replicated]:
    with ExitStack() as closing:
        yield Replicated(tmp_path, closing)


def settled(client: RunClient, run: RunHandle) -> RunRecord:
    """Wait for a record, whatever Redis says meanwhile."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return client.wait(run.key, max(0.1, give_up_at - time.monotonic()))
        except StoreUnavailable:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)


def test_a_failover_in_the_middle_of_runs_loses_none(replicated: Replicated, effects_file: Path) -> None:
    env = {
        **QUICK,
        "THREADRUN_REDIS_URL": replicated.url,
        "THREADRUN_REDIS_SENTINEL_MASTER": MASTER,
        "E2E_EFFECTS_FILE": str(effects_file),
    }
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE], env=env) as stack:
        text = 'think 4\ncall add {{"a": {0}, "b": 1}}\nsay $1'
        runs = [
            stack.client.enqueue("asst_demo", messages=text.format(at), tools=["add"]) for at in range(RUNS)
        ]
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not all(run.get().stage == "poll" for run in runs):
            assert time.monotonic() < give_up_at
            time.sleep(0.02)

        replicated.master.kill()
        records = [settled(stack.client, run) for run in runs]

        assert [record.output_text for record in records] == [str(at + 1) for at in range(RUNS)]
        created = [effect.threadrun_key for effect in stack.control.effects("run.created")]
        assert sorted(created) == sorted(run.key for run in runs)
        assert asked(replicated.replica_port, "info", "replication")["role"] == "master"  # type: ignore[index]
        assert stack.client.enqueue("asst_demo", messages="say and on").wait(30).output_text == "and on"
