"""Read what the workers serve: tools with their definitions, and profiles."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from threadrun.client.operation import Operation
from threadrun.errors import UnknownProfile, UnknownTool
from threadrun.keys import Keys

FRESH_SECONDS = 5.0
"""How long a client uses what it read before reading it again."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Hold what was served at one moment."""

    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tool name to entry: `definition`, `queue`, `timeout_seconds`, `idempotent`, …"""
    profiles: frozenset[str] = frozenset()
    """Profiles that a worker served within the last day; empty: no worker was ever started."""
    read_at: float = float("-inf")
    """This process's monotonic clock."""

    @property
    def fresh(self) -> bool:
        """Tell whether it may be used without reading again."""
        return time.monotonic() - self.read_at < FRESH_SECONDS


def read_catalogue(keys: Keys) -> Operation[Catalogue]:
    """Read the catalogue in one round trip."""

    def call(client: Any) -> Any:
        pipe = client.pipeline(transaction=False)
        pipe.hgetall(keys.tools())
        pipe.zrange(keys.profiles(), 0, -1)
        return pipe.execute()

    tools, profiles = yield call
    entries = {name: json.loads(text) for name, text in tools.items()}
    return Catalogue(entries, frozenset(profiles), time.monotonic())


class Shelf:
    """Keep the catalogue of one client for some seconds."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._catalogue = Catalogue()
        self._second_looks = inf

    def for_batch(self) -> Shelf:
        """Give a shelf for many requests at once: what is missing is looked for again once, not once each."""
        shelf = Shelf(self._keys)
        shelf._catalogue = self._catalogue
        shelf._second_looks = 1
        return shelf

    def definitions(self, names: Iterable[str]) -> Operation[dict[str, Any]]:
        """Give the definitions of served tools.

        Raises:
            UnknownTool: A name that no worker serves, even after reading again.
        """
        wanted = set(names)
        yield from self._read(again=bool(wanted - self._catalogue.tools.keys()))
        served = self._catalogue.tools
        if unknown := wanted - served.keys():
            raise UnknownTool(unknown, served)
        return {name: served[name]["definition"] for name in wanted}

    def check_profile(self, profile: str) -> Operation[None]:
        """Refuse a profile that no worker serves; while no worker was ever started, any name is accepted.

        Raises:
            UnknownProfile: Others are served, this one is not.
        """
        yield from self._read(again=profile not in self._catalogue.profiles)
        served = self._catalogue.profiles
        if served and profile not in served:
            raise UnknownProfile(profile, served)

    def _read(self, *, again: bool) -> Operation[None]:
        if self._catalogue.fresh and not (again and self._second_looks > 0):
            return
        self._second_looks -= again
        self._catalogue = yield from read_catalogue(self._keys)
