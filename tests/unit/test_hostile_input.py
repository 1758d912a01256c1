"""The short form of `make chaos-hostile`: what no honest model or server would write is refused clearly."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.rows.hostile import run


def test_handlers_are_entered_only_with_valid_values_and_no_bomb_is_read(tmp_path: Path) -> None:
    figures = run("small", 1, tmp_path)

    assert figures.failures == []
    assert figures.shown["calls"] == 1_800
