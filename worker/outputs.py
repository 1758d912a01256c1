"""Fit the outputs of one round into what a provider accepts in one request."""

from __future__ import annotations

from collections.abc import Sequence

from threadrun.tools.output import MIN_MAX_OUTPUT_BYTES, cut


def fit(outputs: Sequence[str], max_total_bytes: int) -> list[str]:
    """Cut the longest outputs until all fit together; each says at its end how much was cut.

    The same outputs are always cut the same way, so that a repeated request has the same bytes.
    """
    sizes = [len(output.encode()) for output in outputs]
    if sum(sizes) <= max_total_bytes:
        return list(outputs)
    share = _share(sizes, max_total_bytes)
    return [cut(output, max(share, MIN_MAX_OUTPUT_BYTES))[0] for output in outputs]


def _share(sizes: Sequence[int], max_total_bytes: int) -> int:
    """Find how much each may have if those that need less leave the rest to the others."""
    left, waiting = max_total_bytes, sorted(sizes)
    for at, size in enumerate(waiting):
        share = left // (len(waiting) - at)
        if size > share:
            return share
        left -= size
    return max_total_bytes
