"""An asyncio Redis client that sends together what is asked for together.

The engine advances many runs at once, and each of their commands alone would pay for taking a connection, a write,
a read and a wake-up of the loop. Here the commands that one turn of the loop asks for go out as one pipeline.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from redis.asyncio import Redis

MAX_TOGETHER = 64
"""More commands than this are sent as several pipelines, so that Redis serves others in between."""

_Asked: TypeAlias = tuple[tuple[Any, ...], dict[str, Any], asyncio.Future[Any]]


class GatheringRedis(Redis):
    """Send the commands of one turn of the loop as one pipeline; used on one loop only.

    A pipeline is no transaction: each command stands for itself, and is answered or fails for itself. When a
    connection breaks, all commands of its pipeline are tried again, as one would be alone.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked: list[_Asked] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask for a command, and wait for its answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append((args, options, answer))
        if len(self._asked) == 1:
            loop.call_soon(self._send)
        return await answer

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        for first in range(0, len(asked), MAX_TOGETHER):
            task = asyncio.create_task(self._send_together(asked[first : first + MAX_TOGETHER]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

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
