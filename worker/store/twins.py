"""Keep the watches for twins: begun by the commit script, claimed and written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from threadrun.keys import Keys
from threadrun.status import Stage
from worker.decide.twins import TwinState, TwinWatch
from worker.redis_clock import NO_LATEST_MS
from worker.store.scripts import Arg, Scripts

UNDECIDED = frozenset({Stage.WAITING.value, Stage.CREATE.value})

TWIN = "twin:"
"""Begins the names of the fields that hold a twin's state."""


@dataclass(frozen=True, slots=True)
class ClaimedWatches:
    """Hold what a claim got."""

    now_ms: int
    """Redis's clock at the claim."""
    watches: tuple[TwinWatch, ...]


class TwinStore:
    """Claim and write watches; every method is one script."""

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    async def claim(
        self, profile: str, limit: int, lease_ms: int, latest_ms: int = NO_LATEST_MS
    ) -> ClaimedWatches:
        """Claim due watches, unless it is later than can be; each is nobody else's until its lease lapses."""
        args: list[Arg] = [self._keys.prefix, lease_ms, limit, latest_ms]
        now_ms, *rows = await self._scripts.call("twins_claim", [self._keys.twins(profile)], args)
        return ClaimedWatches(int(now_ms), tuple(_watch(row) for row in rows))

    async def write(
        self, profile: str, watch: TwinWatch, delay_ms: int | None, states: Mapping[str, TwinState]
    ) -> bool:
        """Write the states of twins and when to look again; no delay: the watch is over."""
        args: list[Arg] = [watch.run_key, watch.claim, watch.news, -1 if delay_ms is None else delay_ms]
        for run_id, state in states.items():
            args += [TWIN + run_id, state.value]
        keys = [self._keys.twins(profile), self._keys.twins_of(watch.run_key)]
        return bool(await self._scripts.call("twins_write", keys, args))


def _watch(row: Sequence[str]) -> TwinWatch:
    run_key, stage, thread_id, run_id, *pairs = row
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return TwinWatch(
        run_key=run_key,
        claim=int(fields["claim"]),
        news=fields["news"],
        thread_id=thread_id,
        run_id=run_id,
        creating=stage in UNDECIDED and not run_id,
        until_ms=int(fields["until_ms"]),
        twins={
            name.removeprefix(TWIN): TwinState(value)
            for name, value in fields.items()
            if name.startswith(TWIN)
        },
    )
