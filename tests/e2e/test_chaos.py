"""The small size of every experiment of `make chaos`; the full sizes and their figures are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import rows

SEED = 1
"""The same choices each time, as far as processes allow; `make chaos` draws others."""


@pytest.mark.parametrize("row", rows.names())
def test_nothing_is_lost_in_the_small_size_of(row: str, tmp_path: Path) -> None:
    figures = rows.load(row)("small", SEED, tmp_path)

    assert figures.failures == []
    assert figures.shown
