"""What keeps a claim alive between the requests of one advance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias


class ClaimLost(Exception):
    """Say that somebody else holds the run by now: what is in hand must be dropped."""


BeforeRequest: TypeAlias = Callable[[], Awaitable[None]]
"""To be awaited before each request; raises ClaimLost or NoPermit. It sees that the claim outlives the request."""
