"""Every way out: logs, names of keys, messages, Flower, the command line, tracebacks."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Self

import httpx
from redis import Redis

from tests.chaos.canary_inputs import Canaries
from threadrun.cli import run as threadrun
from threadrun.redis_clients import connect

_BODY = re.compile(r'body\\*": *\\*"([A-Za-z0-9+/=]{8,})')
_CARRIERS = ("RPUSH", "LPUSH", "BRPOP", "HSET", "HMSET")
"""Commands with which a message travels."""

WAITS = "redis.waited_for"
"""What a worker says every two seconds while Redis is not there; the same each time."""

ENOUGH = 3

_BRINGS_CONTENT = ("runs.enqueue", "shop.unknown")
"""Tasks whose messages hold what their sender put in: the one that carries content by design, and a stranger's."""


class Search:
    """Look for canaries in outputs and count what was looked at."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self.bytes: dict[str, int] = {}
        self.found: dict[str, list[str]] = {}
        self.carried: set[str] = set()
        """Secrets that were seen on their way through Redis, whatever held them."""

    def look(self, output: str, texts: Iterable[str], where: str = "") -> None:
        """Look through the texts of one kind of output."""
        self.bytes.setdefault(output, 0)
        self.found.setdefault(output, [])
        for text in texts:
            self.bytes[output] += len(text)
            for name in self._canaries.found_in(text):
                at = text.index(self._canaries[name])
                around = text[max(0, at - 80) : at + 10].replace("\n", " ")
                self.found[output].append(f"{name} in {where or output}: …{around}…")


class Monitor:
    """Write down every command that Redis is sent, from `with` to its end."""

    def __init__(self, url: str) -> None:
        self.lines: list[str] = []
        self._redis = connect(url)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with connect_again(self._redis) as redis:
            redis.ping()  # so that it hears something once more
        self._thread.join(10)

    def _listen(self) -> None:
        with self._redis.monitor() as monitor:
            self._ready.set()
            for told in monitor.listen():
                self.lines.append(str(told["command"]))
                if self._ended.is_set():
                    return

    def messages(self) -> Iterator[str]:
        """Give what went over the broker: commands as they were, and bodies decoded."""
        for line in self.lines:
            sent = line.split(" ")[0].upper() in _CARRIERS and any(name in line for name in _BRINGS_CONTENT)
            if ":mq:" not in line or sent:
                continue
            yield line
            for body in _BODY.findall(line):
                yield base64.b64decode(body).decode(errors="replace")


def connect_again(redis: Redis) -> Redis:
    """Give a client of the same server."""
    return Redis(connection_pool=redis.connection_pool)


def flower_texts(url: str, login: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Read every page and every answer of Flower's API; gives path and text."""
    with httpx.Client(base_url=url, auth=login, timeout=15, follow_redirects=True) as flower:
        tasks: dict[str, Any] = flower.get("/api/tasks").json()
        workers: dict[str, Any] = flower.get("/api/workers", params={"refresh": "1"}).json()
        paths = [
            "/",
            "/workers",
            "/tasks",
            "/broker",
            "/metrics",
            "/healthcheck",
            "/api/tasks",
            "/api/workers",
        ]
        paths += ["/api/queues/length", "/api/task/types", "/workers?json=1"]
        paths += [f"/worker/{name}" for name in workers]
        paths += [
            f"{kind}/{task}" for task in tasks for kind in ("/task", "/api/task/info", "/api/task/result")
        ]
        for path in paths:
            yield path, flower.get(path).text
        columns = {
            f"columns[{n}][data]": name for n, name in enumerate(("name", "uuid", "args", "kwargs", "result"))
        }
        asked = {"draw": "1", "start": "0", "length": "1000", "search[value]": "", "order[0][column]": "0"}
        yield (
            "/tasks/datatable",
            flower.get("/tasks/datatable", params={**asked, **columns, "order[0][dir]": "asc"}).text,
        )
        for path in ("/", "/api/tasks"):
            yield f"{path} without login", httpx.get(f"{url}{path}").text


def said_by(command: Sequence[str], env: Mapping[str, str], cwd: Path, seconds: float = 30) -> str:
    """Run a program and give all it says; one that waits for Redis, or does not end in time, is killed."""
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, *command], env=dict(env), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as program:  # fmt: skip
        assert program.stdout is not None
        late = threading.Timer(seconds, program.kill)
        late.start()
        for line in program.stdout:
            said.append(line)
            if sum(WAITS in one for one in said) == ENOUGH:
                program.kill()
        late.cancel()
    return "".join(said)


def said_by_cli(line: Sequence[str]) -> str:
    """Run a command in this process and give all it says."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        threadrun(line)
    return out.getvalue() + err.getvalue()
