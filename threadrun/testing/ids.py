"""Ids that look like the provider's and are the same in every run of the same test.

The server's own objects are numbered under its seed; what a run makes (steps, messages, tool calls) is
derived from the run's id, so that it does not depend on who looked at which run first.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import count


class IdMaker:
    """Number the server's objects under a seed."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._numbers = count(1)

    def next(self, prefix: str) -> str:
        """Make the next id, such as `run_…`."""
        return derived_id(prefix, f"seed {self._seed}", next(self._numbers))


def derived_id(prefix: str, owner: str, number: int) -> str:
    """Make the id of the `number`th thing that `owner` made."""
    digest = blake2b(f"{prefix}/{owner}/{number}".encode(), digest_size=12)
    return f"{prefix}_{digest.hexdigest()}"
