"""What happens to one process of the model on its way: it dies, stalls, loses Redis, or loses an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.simulation.seam import Died
from tests.simulation.tiny_provider import ANSWER, LOST
from worker.providers.base import No, Refusal


class Mishap(StrEnum):
    """Name what goes wrong at one I/O."""

    NONE = "none"
    DEATH_BEFORE = "death before"
    DEATH_AFTER = "death after"
    STALL_BEFORE = "stall before"
    STALL_AFTER = "stall after"
    LOST_BEFORE = "lost before"
    """It has no effect, and the answer is an error."""
    LOST_AFTER = "lost after"
    """It has its effect, and the answer is an error."""
    LATE = "late"
    """The answer is an error; an HTTP request has its effect later, up to its deadline."""
    REPEATED = "repeated"
    """The client of Redis got no answer, and sends it once more."""
    REFUSED = "refused"
    """The connection was refused: certainly no effect."""


@dataclass
class Order:
    """Have one mishap happen to a process, at its how-manieth I/O."""

    at: int
    mishap: Mishap
    worker: str = ""
    """Whose process it is, where that matters."""
    passed: int = 0
    dead: bool = False


REQUEST_SECONDS = 14.0
"""After so long a request that was not sent is not sent any more."""

_OF_HANDLERS = {Mishap.DEATH_BEFORE, Mishap.DEATH_AFTER, Mishap.STALL_BEFORE, Mishap.STALL_AFTER}

ORDER: ContextVar[Order] = ContextVar("order")


@dataclass
class Stalled:
    """A task that waits in the middle of an I/O until it is let go."""

    task: asyncio.Task[Any]
    gate: asyncio.Future[None]
    order: Order


@dataclass
class Way:
    """Let every I/O of every process pass, or not, as its order says."""

    seconds: Callable[[], float]
    """The turned clock."""
    stalled: list[Stalled] = field(default_factory=list)
    late: list[tuple[float, Callable[[], Any]]] = field(default_factory=list)
    """Effects of requests whose senders think them lost, and when they were sent."""

    async def io(self, name: str, effect: Callable[[], Any]) -> Any:
        order = ORDER.get()
        if order.dead:
            raise Died(name)
        order.passed += 1
        mishap = order.mishap if order.passed == order.at else Mishap.NONE
        if name == "handler" and mishap not in _OF_HANDLERS:
            mishap = Mishap.NONE
        match mishap:
            case Mishap.NONE:
                return effect()
            case Mishap.DEATH_BEFORE:
                self._die(order, name)
            case Mishap.STALL_BEFORE:
                if await self._stall(order, name) <= REQUEST_SECONDS or not name.startswith("http "):
                    return effect()
            case Mishap.DEATH_AFTER:
                effect()
                self._die(order, name)
            case Mishap.STALL_AFTER:
                value = effect()
                await self._stall(order, name)
                return value
            case Mishap.REPEATED if not name.startswith("http "):
                effect()
                return effect()
            case Mishap.LOST_AFTER:
                effect()
            case Mishap.LATE if name.startswith("http "):
                self.late.append((self.seconds(), effect))
            case Mishap.REFUSED if name.startswith("http "):
                return No(Refusal.NEVER_SENT, ANSWER)
        if name.startswith("http "):
            return LOST
        raise RedisConnectionError("gone")

    def _die(self, order: Order, name: str) -> None:
        order.dead = True
        raise Died(name)

    async def _stall(self, order: Order, name: str) -> float:
        task, since = asyncio.current_task(), self.seconds()
        assert task is not None
        here = Stalled(task, asyncio.get_running_loop().create_future(), order)
        self.stalled.append(here)
        await here.gate
        if order.dead:
            raise Died(name)
        return self.seconds() - since

    def take_late_effects(self, until: float = float("inf")) -> None:
        """Let what was on its way happen, before its request's deadline."""
        due = [(sent, effect) for sent, effect in self.late if sent + REQUEST_SECONDS < until]
        self.late = [item for item in self.late if item not in due]
        for _, effect in due:
            effect()

    def let_go(self, which: Stalled, *, alive: bool = True) -> None:
        """Let a stalled task go on, or die where it stands."""
        self.stalled.remove(which)
        which.order.dead = which.order.dead or not alive
        if not which.gate.done():
            which.gate.set_result(None)
