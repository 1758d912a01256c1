"""An asyncio Redis client that sends together what is asked for together.

The engine advances many runs at once, and each of their commands alone would pay for taking a connection, a write,
a read and a wake-up of the loop. Here one pipeline is under way at a time, and what is asked for meanwhile goes out
with the next.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from redis.asyncio import Redis

MAX_TOGETHER = 64
"""More commands than this wait for the next pipeline, so that Redis serves others in between."""

_Asked: TypeAlias = tuple[tuple[Any, ...], dict[str, Any], asyncio.Future[Any]]


class GatheringRedis(Redis):
    """Send what gathers while a pipeline is under way as the next one; used on one loop only.

    A pipeline is no transaction: each command stands for itself, and is answered or fails for itself. When a
    connection breaks, all commands of its pipeline are tried again, as one would be alone.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked: list[_Asked] = []
        self._sender: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask for a command, and wait for its answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append((args, options, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked[:MAX_TOGETHER], self._asked[MAX_TOGETHER:]
                await self._send_together(asked)
        finally:
            self._sender = None

    async def _send_together(self, asked: list[_Asked]) -> None:
        pipe = self.pipeline(transaction=False)
        for args, options, _ in asked:
            pipe.execute_command(*args, **options)
        try:
            answers = await pipe.execute(raise_on_error=False)
        except Exception as error:  # whatever it is, those who wait must hear of it
            answers = [error] * len(asked)
        for (_, _, waiting), answer in zip(asked, answers, strict=True):
            if waiting.done():
                continue  # who waited was cancelled
            if isinstance(answer, BaseException):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
