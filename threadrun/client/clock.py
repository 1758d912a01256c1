"""Read the deployment's clock: Redis's, without the jumps that the workers saw it make."""

from __future__ import annotations

from collections.abc import Sequence


def told_ms(clock: Sequence[int], ahead_ms: str | None) -> int:
    """Give the time in milliseconds.

    Args:
        clock: What Redis answers to TIME.
        ahead_ms: What stands in the deployment's clock, if anything does.
    """
    return int(clock[0]) * 1000 + int(clock[1]) // 1000 - int(ahead_ms or 0)
