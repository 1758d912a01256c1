"""Let the loop turn until something holds that nobody sets an event for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool]) -> None:
    """Give way to all others until it is true, for ten seconds at most."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for is in Redis, or inside a library
            await asyncio.sleep(0)
