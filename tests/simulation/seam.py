"""The one seam that every I/O of a simulated process goes through: Redis, HTTP, the broker, a handler.

What stands behind it is real: threadrun's own engine, tick, heartbeat and handlers talk to a real Redis and to the
run server's own operations. A new I/O needs no line here; it is seen because it cannot go anywhere else.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from importlib import resources
from typing import Any, NoReturn

from threadrun.scripts import turned
from worker.publisher import Message

Point = tuple[str, int]
"""A place to die at: the name of a step, and the how-manieth of that name."""


class Died(BaseException):
    """The process is gone, here and now."""


def die(name: str) -> NoReturn:
    raise Died(name)


class Fate:
    """Count the steps of a whole life, in however many processes; at the chosen points a process dies.

    By another `kill` than to die, that happens there.
    """

    def __init__(self, *die_at: Point, kill: Callable[[str], object] = die) -> None:
        self.die_at = frozenset(die_at)
        self.counts: Counter[str] = Counter()
        self.points: list[Point] = []
        self._kill = kill

    def step(self, name: str) -> None:
        self.counts[name] += 1
        point = (name, self.counts[name])
        self.points.append(point)
        if point in self.die_at:
            self._kill(name)


class Life:
    """One process, from its start to its death: once dead, nothing of it does anything more."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.over = self.shot = False
        self.died_at = ""

    def shoot(self) -> NoReturn:
        """Kill this process alone, at no step of its own."""
        self.shot = True
        self.end("shot")
        raise Died("shot")

    def end(self, name: str) -> None:
        """Note that this process is gone."""
        self.over, self.died_at = True, name

    def check(self) -> None:
        """Be dead, if one of its tasks has died unseen."""
        if self.over:
            raise Died(self.died_at)

    def step(self, name: str) -> None:
        self.check()
        try:
            self._fate.step(name)
        except Died:
            self.end(name)
            raise

    async def io(self, name: str, effect: Callable[[], Any]) -> Any:
        self.step(f"{name} before")
        value = effect()
        if inspect.isawaitable(value):
            value = await value
        self.step(f"{name} after")
        return value

    def io_now(self, name: str, effect: Callable[[], Any]) -> Any:
        self.step(f"{name} before")
        value = effect()
        self.step(f"{name} after")
        return value


class SeamRedis:
    """A Redis client of either kind whose every command is a step, on a turned clock."""

    def __init__(self, inner: Any, io: Callable[[str, Callable[[], Any]], Any], clock_key: str) -> None:
        self._inner = inner
        self._io = io
        self._clock_key = clock_key

    def register_script(self, text: str) -> Callable[..., Any]:
        script = self._inner.register_script(turned(text, self._clock_key))
        name = f"script {script_name(text)}"

        def call(keys: Any = (), args: Any = (), client: Any = None) -> Any:
            return self._io(name, lambda: script(keys=keys, args=args))

        return call

    def pipeline(self, *args: Any, **options: Any) -> Any:
        pipe = self._inner.pipeline(*args, **options)
        execute = pipe.execute

        def send(**options: Any) -> Any:
            commands = list(pipe.command_stack)

            def effect() -> Any:
                pipe.command_stack = list(commands)  # what is repeated is the same commands again
                return execute(**options)

            return self._io("redis pipeline", effect)

        pipe.execute = send
        return pipe

    def __getattr__(self, command: str) -> Any:
        method = getattr(self._inner, command)
        if not callable(method):
            return method
        return lambda *args, **options: self._io(f"redis {command}", lambda: method(*args, **options))


class SeamTransport:
    """The provider's HTTP, every request a step under its method and path."""

    def __init__(self, inner: Any, life: Life, name: Callable[[str, str], str]) -> None:
        self._inner = inner
        self._life = life
        self._name = name

    async def send(self, method: str, url: str, headers: Any, body: bytes | None = None) -> Any:
        name = f"http {self._name(method, url)}"
        return await self._life.io(name, lambda: self._inner.send(method, url, headers, body))

    async def aclose(self) -> None:
        await self._inner.aclose()


class SeamOutbox:
    """The way to the broker, every message a step."""

    def __init__(self, publish: Callable[[Message], None], life: Life) -> None:
        self._publish = publish
        self._life = life

    def send(self, message: Message) -> Future[None]:
        sent: Future[None] = Future()
        self._life.io_now(f"publish {message.task}", lambda: self._publish(message))
        sent.set_result(None)
        return sent


@cache
def scripts() -> dict[str, str]:
    """Give the text of every script that the code has, by name."""
    rooms = [resources.files(package).joinpath("lua") for package in ("threadrun", "worker.store")]
    files = [file for room in rooms for file in room.iterdir() if file.name.endswith(".lua")]
    return {file.name.removesuffix(".lua"): file.read_text(encoding="utf-8") for file in files}


def script_name(text: str) -> str:
    return next(name for name, own in scripts().items() if name != "prelude" and text.endswith(own))
