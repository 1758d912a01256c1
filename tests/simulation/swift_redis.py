"""A Redis of a simulation's own: one connection, no file, and little ceremony around a command."""

from __future__ import annotations

from typing import Any

from redis import Redis

from threadrun.redis_clients import connect


class SwiftRedis(Redis):
    """Send a command and read its answer; pools, retries and telemetry would cost more than Redis itself."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        connection: Any = self.connection
        connection.send_packed_command(connection.pack_command(*args), check_health=False)
        return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]


def swift_redis(url: str) -> Redis:
    """Connect, for one thread of this process; what it writes need not outlive the server."""
    redis = SwiftRedis(connection_pool=connect(url).connection_pool, single_connection_client=True)
    redis.config_set("appendonly", "no")
    return redis
