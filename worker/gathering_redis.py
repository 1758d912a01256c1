"""An asyncio Redis client that sends together what is asked for together.

The engine advances many runs at once, and each of their commands alone would pay for taking a connection, a write,
a read and a wake-up of the loop, and wake Redis for itself. Here one exchange is under way at a time, and what is asked
for meanwhile goes out with the next.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from hashlib import sha1
from typing import Any, NamedTuple, TypeAlias

import hiredis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

MAX_TOGETHER = 64
"""More commands than this wait for the next exchange, so that Redis serves others in between."""

GATHERING_SECONDS = 0.002
"""How long the first command waits for others, unless an exchange has just ended; a run's deadlines are seconds."""


class _Answers(NamedTuple):
    """The part of a connection that answers are read from."""

    read_response: Any


_Asked: TypeAlias = tuple[bytes, str, dict[str, Any], asyncio.Future[Any]]
"""A command as it is sent, its name, how to read its answer, and who waits for that."""


class GatheringRedis(Redis):
    """Send what gathers while an exchange is under way with the next one; used on one loop only.

    An exchange is no transaction: each command stands for itself, and is answered or fails for itself. When a
    connection breaks, the commands of its exchange that were not answered are tried again, as one would be alone.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked: list[_Asked] = []
        self._sender: asyncio.Task[None] | None = None
        self._connection: Any = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask for a command, and wait for its answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Packed here, so that what cannot be sent fails for who asked for it, and not for all of an exchange.
        self._asked.append((_packed(*args), args[0], options, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        try:
            await asyncio.sleep(GATHERING_SECONDS)
            while self._asked:
                asked, self._asked = self._asked[:MAX_TOGETHER], self._asked[MAX_TOGETHER:]
                await self._send_together(asked)
        finally:
            self._sender = None

    async def _send_together(self, asked: list[_Asked]) -> None:
        answers: list[Any] = []
        try:
            await self._exchange(asked, answers)
        except Exception as error:  # whatever it is, those who still wait must hear of it
            answers += [error] * (len(asked) - len(answers))
        for (*_, waiting), answer in zip(asked, answers, strict=True):
            if waiting.done():
                continue  # who waited was cancelled
            if isinstance(answer, BaseException):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    async def _exchange(self, asked: list[_Asked], answers: list[Any]) -> None:
        # One connection is kept: to take one of the pool's and to give it back would cost as much as the exchange.
        pool: Any = self.connection_pool
        connection = self._connection = self._connection or await pool.get_connection()
        try:
            await connection.retry.call_with_retry(
                lambda: self._ask_on(connection, asked[len(answers) :], answers),
                lambda error: connection.disconnect(),
            )
        except BaseException:
            self._connection = None  # what is still to be read from it is nobody's answer
            await connection.disconnect()
            await pool.release(connection)
            raise

    async def _ask_on(self, connection: Any, asked: list[_Asked], answers: list[Any]) -> None:
        await connection.send_packed_command(b"".join(packed for packed, *_ in asked))
        # One timer for the exchange: redis-py would set one for each answer.
        source: Any = _Answers(partial(connection.read_response, timeout=math.inf))
        try:
            async with asyncio.timeout(connection.socket_timeout):
                for _, command, options, _ in asked:
                    answers.append(await self._answer(source, command, options))
        except TimeoutError:
            raise RedisTimeoutError("Redis did not answer in time") from None

    async def _answer(self, source: Any, command: str, options: dict[str, Any]) -> Any:
        try:
            return await self.parse_response(source, command, **options)
        except ResponseError as error:
            return error

    def register_script(self, script: Any) -> Any:
        """Give a script to be called with keys and arguments, with less ado than redis-py's own."""
        text = str(script)
        return partial(self._run_script, text, sha1(text.encode(), usedforsecurity=False).hexdigest())

    async def _run_script(self, text: str, sha: str, keys: Sequence[Any], args: Sequence[Any] = ()) -> Any:
        command = ("EVALSHA", sha, len(keys), *keys, *args)
        try:
            return await self.execute_command(*command)
        except NoScriptError:
            await self.execute_command("SCRIPT LOAD", text)
            return await self.execute_command(*command)


def _packed(name: str, *args: Any) -> bytes:
    # A name may be of two words, such as SCRIPT LOAD.
    packed: bytes = hiredis.pack_command((*name.split(), *args))
    return packed
