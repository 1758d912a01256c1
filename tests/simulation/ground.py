"""Where the model's worlds stand, one after another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

_HERE = Path(__file__).parent


@dataclass
class Ground:
    """What all examples of one process share: a Redis and a loop."""

    redis: Redis
    loop: asyncio.AbstractEventLoop
    look: Any
    next_due: Any

    @classmethod
    def on(cls, redis: Redis) -> Ground:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # a task that died is nobody's news
        scripts = [
            redis.register_script((_HERE / f"{name}.lua").read_text()) for name in ("look", "next_due")
        ]
        return cls(redis, loop, *scripts)
