"""Break the line to a server in every way that a network has, a while at a time."""

from __future__ import annotations

from collections import Counter

from tests.chaos.nemeses.nemesis import Nemesis
from threadrun.testing import FaultProxy
from threadrun.testing.proxy_faults import (
    BlackHole,
    CutAfter,
    Drip,
    Latency,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
    Stall,
)

FAULTS: tuple[ProxyFault, ...] = (
    Latency(0.3),
    ResetBefore(),
    ResetAfter(),
    CutAfter(400),
    Drip(500.0),
    Stall(),
    BlackHole(),
    Refuse(),
)
LASTING_SECONDS = (0.5, 3.0)


class LineBreaker(Nemesis):
    """Have one fault after the other, with sound moments between; black holes end with the moment."""

    def __init__(self, line: FaultProxy, seed: int, pause_seconds: tuple[float, float] = (2.0, 4.0)) -> None:
        super().__init__(seed, pause_seconds)
        self.broken: Counter[str] = Counter()
        """How often each fault was set."""
        self._line = line
        self._faults: list[ProxyFault] = []

    def act(self) -> None:
        """Break the line for a moment."""
        self._faults = self._faults or self.draw.sample(FAULTS, len(FAULTS))
        fault = self._faults.pop()
        self._line.set(fault)
        self.wait(self.draw.uniform(*LASTING_SECONDS))
        self._line.clear()
        self.broken[type(fault).__name__] += 1
