"""Send many commands slice by slice over one connection: Redis works on one while the next is made.

redis-py's pipelines make all before they send any. Whoever sends so must be ready for a slice to arrive twice: when the
connection breaks, those without answers are sent again, as a pipeline would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from redis.asyncio import Redis as AsyncRedis

Command: TypeAlias = tuple[Any, ...]
"""A command's name and arguments."""

Slices: TypeAlias = Callable[[int], Iterator[list[Command]]]
"""Make the slices from this one on, counted from 0, each when it is asked for."""


def exchange(client: Any, slices: Slices) -> Any:
    """Give the answers, a list a slice; with an asyncio client, an awaitable of them.

    At most two slices are under way, so that neither side holds many.

    Raises:
        RedisError: Redis does not answer, or answers one of the commands with an error; then later slices are not
            sent, but the next one may have been.
    """
    kind = _exchange_async if isinstance(client, AsyncRedis) else _exchange
    return kind(client.connection_pool, slices)


def _exchange(pool: Any, slices: Slices) -> list[list[Any]]:
    answers: list[list[Any]] = []
    connection = pool.get_connection()
    try:
        connection.retry.call_with_retry(
            lambda: _attempt(connection, slices, answers), lambda _: connection.disconnect()
        )
    except BaseException:
        connection.disconnect()  # what is still to be read from it is nobody's answer
        raise
    finally:
        pool.release(connection)
    return answers


def _attempt(connection: Any, slices: Slices, answers: list[list[Any]]) -> None:
    unread = 0
    for commands in slices(len(answers)):
        # A health check would take what is still to be read for its own answer.
        connection.send_packed_command(_packed(connection, commands), check_health=not unread)
        if unread:
            answers.append([connection.read_response() for _ in range(unread)])
        unread = len(commands)
    if unread:
        answers.append([connection.read_response() for _ in range(unread)])


async def _exchange_async(pool: Any, slices: Slices) -> list[list[Any]]:
    answers: list[list[Any]] = []
    connection = await pool.get_connection()
    try:
        await connection.retry.call_with_retry(
            lambda: _attempt_async(connection, slices, answers), lambda _: connection.disconnect()
        )
    except BaseException:
        await connection.disconnect()
        raise
    finally:
        await pool.release(connection)
    return answers


async def _attempt_async(connection: Any, slices: Slices, answers: list[list[Any]]) -> None:
    unread = 0
    for commands in slices(len(answers)):
        await connection.send_packed_command(_packed(connection, commands), check_health=not unread)
        if unread:
            answers.append([await connection.read_response() for _ in range(unread)])
        unread = len(commands)
    if unread:
        answers.append([await connection.read_response() for _ in range(unread)])


def _packed(connection: Any, commands: list[Command]) -> list[bytes]:
    """Pack a slice for one write; redis-py would wake Redis for each 6 kB of it."""
    return [b"".join(connection.pack_commands(commands))]
