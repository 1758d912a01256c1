"""A RabbitMQ node of a test's own: in a folder, on ports chosen at run time, with an epmd of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path

from kombu import Connection

from tests.ports import free_port
from threadrun.testing.guarded import GuardedProcess

START_SECONDS = 180
"""Erlang takes about 5 s on an idle machine, and took 49 s on one with a load of 20 on two cores."""


def program() -> str | None:
    """Give the script that starts a node as whoever calls it; the one on the path may want to become another user."""
    inside = sorted(glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    return inside[-1] if inside else shutil.which("rabbitmq-server")


@contextmanager
def rabbitmq_node(folder: Path) -> Iterator[str]:
    """Run a node and give its URL."""
    port, naming_port = free_port(), free_port()
    (folder / "plugins").write_text("[].")
    (folder / "rabbit.conf").write_text("disk_free_limit.absolute = 10MB\n")
    env = os.environ | {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(naming_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"threadrun-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbit"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    with ExitStack() as closing:
        # In the foreground: the one that a node starts by itself would outlive it.
        names = GuardedProcess(["epmd", "-port", str(naming_port)], log=folder / "epmd.log", env=env)
        closing.callback(names.close)
        node = GuardedProcess([str(program())], log=folder / "node.log", env=env, cwd=folder)
        closing.callback(node.close)
        node.wait_until(lambda: answers(url), START_SECONDS)
        yield url


def answers(url: str) -> bool | None:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    except Exception:  # refused, reset, or not allowed in yet: it is starting
        return None
    return True
