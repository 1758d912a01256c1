"""Write each client operation once, for the sync and the asyncio client.

An operation is a generator: it yields what to do with Redis (a call on the client, or a pause), is sent the
answer, and returns its result. The two drivers differ only in `await`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MasterDownError,
    MaxConnectionsError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from threadrun.errors import StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next step."""

    seconds: float


Call: TypeAlias = Callable[[Any], Any]
"""A call on a Redis client; with an asyncio client it gives an awaitable."""

Operation: TypeAlias = Generator[Call | Pause, Any, T]


def run(operation: Operation[T], client: Any) -> T:
    """Drive an operation over a sync client.

    Raises:
        StoreUnavailable: Redis did not answer, or answered with an error, and the operation did not ride it out.
    """
    try:
        step = operation.send(None)
        while True:
            answer: Any = None
            try:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    answer = step(client)
            except (RedisError, OSError) as error:
                step = operation.throw(unavailable(error))
            else:
                step = operation.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(operation: Operation[T], client: Any) -> T:
    """Drive an operation over an asyncio client.

    Raises:
        StoreUnavailable: Redis did not answer, or answered with an error, and the operation did not ride it out.
    """
    try:
        step = operation.send(None)
        while True:
            answer: Any = None
            try:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = await step(client)
            except (RedisError, OSError) as error:
                step = operation.throw(unavailable(error))
            else:
                step = operation.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def unavailable(error: Exception) -> StoreUnavailable:
    """Tell an error of Redis's as ours; its own stays the cause."""
    # The text of a Redis error can hold the URL's password; its kind and first line do not.
    text = str(error).splitlines()[0] if str(error) else ""
    reason = f"{type(error).__name__}: {text[:200]}" if "@" not in text else type(error).__name__
    told = StoreUnavailable(reason, passing=_passes(error))
    told.__cause__ = error
    return told


def _passes(error: Exception) -> bool:
    """Tell whether a Redis that restarts, loads or changes its master may answer so for a while."""
    if isinstance(error, AuthenticationError | AuthorizationError | MaxConnectionsError):
        return False
    return isinstance(
        error, RedisConnectionError | RedisTimeoutError | OSError | ReadOnlyError | MasterDownError
    )
