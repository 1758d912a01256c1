"""What the engine needs at hand to advance the runs of one profile."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadrun.keys import Keys
from threadrun.status import OnUnknown
from worker.decide.rules import Rules
from worker.decide.seen import ToolSpec
from worker.echo import Echo
from worker.observer import Observer
from worker.outbox import Outbox
from worker.permits import Permits
from worker.providers.base import Provider
from worker.store.runs import Claimant, RunStore
from worker.store.writes import new_op
from worker.suspects import SuspectSlot
from worker.view import RunView

FRESH_SECONDS = 5.0


class ServedTools:
    """Know which tools are served, from the catalogue that the tools workers publish."""

    def __init__(self, client: Any, keys: Keys) -> None:
        self._client = client
        self._key = keys.tools()
        self._specs: dict[str, ToolSpec] = {}
        self._read_at = float("-inf")

    async def get(self, wanted: frozenset[str]) -> Mapping[str, ToolSpec]:
        """Give the specs; the catalogue is read again when it is old or a wanted name is not in it."""
        old = time.monotonic() - self._read_at > FRESH_SECONDS
        if old or wanted - self._specs.keys():
            entries: dict[str, str] = await self._client.hgetall(self._key)
            self._specs = {name: _spec(text) for name, text in entries.items()}
            self._read_at = time.monotonic()
        return self._specs


def _spec(text: str) -> ToolSpec:
    entry = json.loads(text)
    return ToolSpec(
        entry["queue"],
        float(entry["timeout_seconds"]),
        bool(entry["idempotent"]),
        OnUnknown(entry.get("on_unknown", OnUnknown.TELL)),
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """Gather the parts; one for each profile of a process."""

    store: RunStore
    provider: Provider
    rules: Rules
    tools: ServedTools
    observer: Observer
    outbox: Outbox
    permits: Permits
    retention_ms: int
    max_output_total_bytes: int
    echo: Echo = field(default_factory=Echo)
    worker_id: str = ""
    suspects: SuspectSlot = field(default_factory=SuspectSlot)
    """Shared by all profiles of the process."""

    @property
    def metadata_echoed(self) -> bool:
        """Tell whether metadata comes back, as configured and as seen."""
        return self.provider.capabilities.metadata_echoed and not self.echo.missing

    def claimant(self, *, takes_suspect: bool) -> Claimant:
        """Say who claims, and what it knows of the dead at this moment."""
        return Claimant(
            self.worker_id,
            self.observer.judging,
            round(self.observer.dead_after_seconds * 1000),
            takes_suspect,
            self.rules.max_strikes,
            self.observer.clock.latest_ms,
        )

    async def put_off(self, run: RunView, delay_ms: int, *, polls: int, requests: int) -> int:
        """Have an attended run due for everybody after a delay; see `RunStore.attend`."""
        by = self.claimant(takes_suspect=False)
        return await self.store.attend(run, delay_ms, new_op(), by, polls=polls, requests=requests)
