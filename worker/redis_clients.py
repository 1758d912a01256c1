"""Build this deployment's Redis clients from its settings; the one factory is the contract package's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypedDict

from threadrun.redis_clients import connect, connect_async
from worker.gathering_redis import GatheringRedis

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

    from config.settings import Settings


class _Sentinel(TypedDict):
    sentinel_master: str | None
    sentinel_password: str | None


def redis_client(settings: Settings, *, client_name: str = "threadrun-worker") -> Redis:
    """Build the blocking client, for threads and tool processes; see `threadrun.redis_clients.connect`.

    Raises:
        SettingsInvalid: the URL cannot be used.
    """
    return connect(settings.redis_url.get_secret_value(), client_name=client_name, **_sentinel(settings))


def async_redis_client(
    settings: Settings,
    *,
    client_name: str = "threadrun-worker",
    met_server: Callable[[str], None] | None = None,
) -> AsyncRedis:
    """Build the asyncio client, for one event loop; see `threadrun.redis_clients.connect_async`.

    Args:
        settings: Where Redis is.
        client_name: What `CLIENT LIST` shows.
        met_server: Told the server's run id on each new connection, before any command: after a restart or a
            failover nothing is written by somebody who does not know of it.

    Raises:
        SettingsInvalid: the URL cannot be used.
    """
    return GatheringRedis.from_pool(
        connect_async(
            settings.redis_url.get_secret_value(),
            client_name=client_name,
            greet=_greeting(met_server) if met_server is not None else None,
            **_sentinel(settings),
        ).connection_pool
    )


def _greeting(met_server: Callable[[str], None]) -> Callable[[Any], Awaitable[None]]:
    async def greet(connection: Any) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        text = str(await connection.read_response())
        met_server(next((line[7:].strip() for line in text.splitlines() if line.startswith("run_id:")), ""))

    return greet


def _sentinel(settings: Settings) -> _Sentinel:
    password = settings.redis_sentinel_password
    return {
        "sentinel_master": settings.redis_sentinel_master,
        "sentinel_password": password.get_secret_value() if password else None,
    }
