"""The one factory of Redis clients: the same timeouts, retries and pools for both kinds of client.

redis-py itself treats them differently: `Redis()` retries ten times, `Redis.from_url()` never, and a full
asyncio pool raises where one would expect it to wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.connection import BlockingConnectionPool as AsyncBlockingPool
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncTlsConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from threadrun.errors import Problem, SettingsInvalid
from threadrun.redis_urls import DEFAULT_REDIS_URL, AddressKind, RedisAddress

SOCKET_TIMEOUT_SECONDS = 5.0
"""How long one try of a command, or making a connection, may take."""

RETRIES = 2
"""How often a command is tried again after a lost connection or a timeout.

Three tries of 5 s stay within a claim's lease of 20 s. A repeated command may run twice: threadrun's scripts
are written for that, plain writes (`INCR`, `RPUSH`) are not.
"""

HEALTH_CHECK_SECONDS = 15
"""How long a connection may rest before it is checked with a PING ahead of the next command."""

MAX_CONNECTIONS = 50
"""Connections of one client; who wants one more waits up to the socket timeout."""


class _Retry(Retry):
    """Try a command RETRIES times more, and no more: redis-py would also repeat, within each try, making the
    connection and checking it, which adds up to minutes while Redis hangs.
    """

    trying = False
    """Each connection has a copy of its own, and serves one caller at a time."""

    def call_with_retry(self, do: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do it, again and again; within another try, once."""
        if self.trying:
            return do()
        self.trying = True
        try:
            return super().call_with_retry(do, *args, **options)
        finally:
            self.trying = False


class _AsyncRetry(AsyncRetry):
    """Be the twin of `_Retry`."""

    trying = False

    async def call_with_retry(self, do: Callable[[], Awaitable[Any]], *args: Any, **options: Any) -> Any:
        """Do it, again and again; within another try, once."""
        if self.trying:
            return await do()
        self.trying = True
        try:
            return await super().call_with_retry(do, *args, **options)
        finally:
            self.trying = False


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Wait for a free connection as the other pools do; close the sentinels' connections with the pool."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Let connections go, all of them or those that rest."""
        if inuse_connections:
            super().disconnect()
            return
        # A new master was found: idle connections lead to the old one. redis-py 6's blocking pool cannot
        # tell idle from used ones, so they are taken from its queue.
        for connection in filter(None, list(self.pool.queue)):
            connection.disconnect()

    def close(self) -> None:
        """Close the pool's connections and the sentinels'."""
        super().close()
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.close()


class _AsyncSentinelPool(AsyncSentinelPool, AsyncBlockingPool):
    """Wait for a free connection as the other pools do; close the sentinels' connections with the pool."""

    async def aclose(self) -> None:
        """Close the pool's connections and the sentinels'."""
        await super().aclose()
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


@dataclass(frozen=True, slots=True)
class _Kit:
    """Hold redis-py's classes of one kind of client."""

    # Any: redis-py's constructors are not annotated.
    tcp: Any
    tls: Any
    unix: Any
    pool: Any
    sentinel: Any
    sentinel_pool: Any
    retry: Any


_SYNC = _Kit(
    tcp=Connection,
    tls=SSLConnection,
    unix=UnixDomainSocketConnection,
    pool=BlockingConnectionPool,
    sentinel=Sentinel,
    sentinel_pool=_SentinelPool,
    retry=_Retry,
)
_ASYNC = _Kit(
    tcp=AsyncConnection,
    tls=AsyncTlsConnection,
    unix=AsyncUnixConnection,
    pool=AsyncBlockingPool,
    sentinel=AsyncSentinel,
    sentinel_pool=_AsyncSentinelPool,
    retry=_AsyncRetry,
)


def connect(
    url: str = DEFAULT_REDIS_URL,
    *,
    sentinel_master: str | None = None,
    sentinel_password: str | None = None,
    client_name: str = "threadrun",
    max_connections: int = MAX_CONNECTIONS,
) -> Redis:
    """Build a blocking client; nothing is connected before the first command.

    It may be shared between threads and survives a fork; answers are text; `close()` closes its pool.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `redis+socket://` or `sentinel://a:26379;sentinel://b:26379`.
        sentinel_master: The master's name at the sentinels; needed with `sentinel://` only.
        sentinel_password: The sentinels' own password, where they have one.
        client_name: What `CLIENT LIST` shows.
        max_connections: At most so many; one more caller waits.

    Raises:
        SettingsInvalid: the URL cannot be used; the text does not repeat it.
    """
    address = _address(url, sentinel_master)
    options = _options(address, client_name)
    sentinel = (sentinel_master, sentinel_password)
    return Redis.from_pool(_pool(_SYNC, address, options, sentinel, max_connections))


def connect_async(
    url: str = DEFAULT_REDIS_URL,
    *,
    sentinel_master: str | None = None,
    sentinel_password: str | None = None,
    client_name: str = "threadrun",
    max_connections: int = MAX_CONNECTIONS,
    greet: Callable[[Any], Awaitable[None]] | None = None,
) -> AsyncRedis:
    """Build the asyncio twin of `connect`, for use on one event loop; `await aclose()` closes its pool.

    Args:
        url: As for `connect`.
        sentinel_master: As for `connect`.
        sentinel_password: As for `connect`.
        client_name: As for `connect`.
        max_connections: As for `connect`.
        greet: Awaited with each new connection of redis-py's in place of its own `on_connect`, which it calls.

    Raises:
        SettingsInvalid: the URL cannot be used; the text does not repeat it.
    """
    address = _address(url, sentinel_master)
    options = _options(address, client_name) | {"redis_connect_func": greet}
    sentinel = (sentinel_master, sentinel_password)
    return AsyncRedis.from_pool(_pool(_ASYNC, address, options, sentinel, max_connections))


def _pool(
    kit: _Kit,
    address: RedisAddress,
    options: dict[str, Any],
    sentinel: tuple[str | None, str | None],
    max_connections: int,
) -> Any:
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=0.5)
    options = options | {"retry": kit.retry(backoff, RETRIES)}
    size = {"max_connections": max_connections, "timeout": SOCKET_TIMEOUT_SECONDS}
    if address.kind is AddressKind.SENTINEL:
        master, password = sentinel
        # No retries: the next sentinel is asked instead. redis-py's default would try a dead one ten times.
        asking = _sentinel_options(password) | {"retry": kit.retry(backoff, 0)}
        sentinels = kit.sentinel(list(address.hosts), sentinel_kwargs=asking, **options)
        return kit.sentinel_pool(master, sentinels, **size, **options)
    plain = kit.unix if address.kind is AddressKind.UNIX else kit.tcp
    return kit.pool(connection_class=kit.tls if address.tls else plain, **size, **options)


def _address(url: str, sentinel_master: str | None) -> RedisAddress:
    try:
        address = RedisAddress.parse(url)
    except ValueError as error:
        raise SettingsInvalid([Problem("redis_url", str(error))]) from None
    if address.kind is AddressKind.SENTINEL and not sentinel_master:
        raise SettingsInvalid([Problem("sentinel_master", "a sentinel:// URL needs the master's name")])
    return address


def _options(address: RedisAddress, client_name: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "client_name": client_name,
        "decode_responses": True,
        # Bytes that are no text make one field unreadable, not every answer that they are in.
        "encoding_errors": "surrogateescape",
        # RESP2 everywhere: redis-py 8 speaks RESP3 unless told otherwise, redis-py 6 does not.
        "protocol": 2,
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
        "health_check_interval": HEALTH_CHECK_SECONDS,
    }
    match address.kind:
        case AddressKind.UNIX:
            options |= {"path": address.path}
        case AddressKind.SENTINEL:
            options |= {"socket_keepalive": True}
        case AddressKind.TCP:
            host, port = address.hosts[0]
            options |= {"host": host, "port": port, "socket_keepalive": True, **tls_keywords(address)}
    return options


def tls_keywords(address: RedisAddress) -> dict[str, Any]:
    """Spell an address's TLS options as redis-py's keyword arguments."""
    keywords: dict[str, Any] = dict(address.tls_options)
    if "ssl_check_hostname" in keywords:
        keywords["ssl_check_hostname"] = keywords["ssl_check_hostname"].lower() not in {"false", "0", "no"}
    if keywords.get("ssl_cert_reqs") == "none":
        # The hostname of an unverified certificate cannot be checked; Python's ssl refuses the pair.
        keywords["ssl_check_hostname"] = False
    return keywords


def _sentinel_options(password: str | None) -> dict[str, Any]:
    timeout = SOCKET_TIMEOUT_SECONDS
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "password": password,
        "protocol": 2,
    }
