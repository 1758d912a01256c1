"""The frame of the experiments: a demand that is not met fails its row, and figures are kept a row each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import report, rows
from tests.chaos.__main__ import main
from tests.chaos.figures import Figures, Size, percentile
from tests.chaos.rows.kill_loop import recoveries


def figures(**demands: Any) -> Figures:
    made = Figures(load="5 runs", nemesis="none")
    made.demand("lost", 2, **demands)
    return made


@pytest.mark.parametrize("demands", [{"exactly": 0}, {"at_least": 3}, {"at_most": 1}])
def test_a_demand_that_is_not_met_fails_the_row(demands: dict[str, int]) -> None:
    assert not figures(**demands).passed


@pytest.mark.parametrize("demands", [{"exactly": 2}, {"at_least": 2}, {"at_most": 2}])
def test_a_demand_that_is_met_is_a_figure(demands: dict[str, int]) -> None:
    assert figures(**demands).passed
    assert figures(**demands).shown == {"lost": 2}


def test_a_row_replaces_its_own_figures_alone(tmp_path: Path) -> None:
    path = tmp_path / "build" / "chaos.json"
    for row, seed in (("b", 1), ("a", 2), ("b", 3)):
        report.merge(path, row, report.entry(figures(), "full", seed, 1.0))

    kept = json.loads(path.read_text())
    assert [(row, told["seed"]) for row, told in kept.items()] == [("a", 2), ("b", 3)]
    assert "| a | 5 runs | none | lost 2 | 1 |" in report.table(kept)
    shown = report.with_table("before\n\n| experiment | load |\n|---|---|\n| old | 1 |\n\nafter\n", kept)
    assert shown == f"before\n\n{report.table(kept)}\n\nafter\n"


def test_the_table_tells_what_there_was_before_what_there_was_none_of() -> None:
    told = figures()
    told.show("kills", 200)
    told.demand("double entries", 0, exactly=0)
    kept = {"a": report.entry(told, "full", 1, 1.0)}

    assert "| lost 2, kills 200; none of: double entries |" in report.table(kept)


def failing(size: Size, seed: int, folder: Path) -> Figures:
    return figures(exactly=0)


def breaking(size: Size, seed: int, folder: Path) -> Figures:
    raise OSError("no room left")


@pytest.mark.parametrize(
    ("row", "code", "told"),
    [(failing, 1, "lost is 2, not 0"), (breaking, 1, "no room left"), (lambda *_: figures(), 0, '"lost": 2')],
)
def test_the_exit_code_tells_whether_a_row_passed(
    row: Any, code: int, told: str, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rows, "load", lambda name: row)
    monkeypatch.setattr("sys.argv", ["chaos", "kill-loop", "--out", str(tmp_path / "chaos.json")])

    assert main() == code
    assert told in capsys.readouterr().out


def test_the_recovery_of_a_run_is_its_longest_wait_from_a_kill_to_its_next_event() -> None:
    history = [(10.0, "run.enqueued"), (12.0, "run.created"), (30.0, "run.ended"), (31.0, "run.finished")]

    assert recoveries({"r": history}, [5.0, 11.0, 13.0, 40.0]) == [17.0]
    assert recoveries({"r": history}, [5.0, 40.0]) == []
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 100.0
