"""A redis-server of a test's own, on a socket in a folder of its own, gone when the test is."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from threadrun.testing.redis_choice import MEMORY, choose_redis

READY_WITHIN_SECONDS = 30


def real_redis_server() -> str:
    """Give the path of a real server; `make` has brought one where the machine had none."""
    choice = choose_redis()
    assert choice.kind != MEMORY, "install redis-server 6.2 or newer: this test needs a real one"
    return choice.command[0]


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """Run a server and give its URL; options are those of the command line (`--appendonly`, `yes`)."""
    socket = folder / "redis.sock"
    command = [real_redis_server(), "--port", "0", "--unixsocket", str(socket)]
    command += ["--dir", str(folder), "--save", "", "--daemonize", "no", *options]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(Redis(unix_socket_path=str(socket), retry=None), process)
            yield f"unix://{socket}?db=0"
        finally:
            process.terminate()
            process.wait(READY_WITHIN_SECONDS)


def wait_until_it_answers(client: Redis, process: subprocess.Popen[bytes]) -> None:
    """Wait for a server that was just started, as long as it lives and some seconds at most."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    with client:
        while True:
            try:
                client.ping()
            except AuthenticationError:
                return
            except RedisConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
