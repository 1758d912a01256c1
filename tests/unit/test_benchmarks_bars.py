"""The bars judge what is in the document, and the tables of the docs are written from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.bars import Bar, bars
from benchmarks.readme import (
    BEGIN,
    END,
    LEVEL_FIGURES,
    SINGLE_FIGURES,
    bars_table,
    contender_table,
    fill,
    scale_table,
)
from benchmarks.report import bar_table


def figures(**changed: float) -> dict[str, float]:
    told = {"cpu_ms": 6.0, "requests": 10.0, "delay_mean_ms": 400.0, "delay_p99_ms": 800.0, "peak_mb": 300.0}
    return told | changed


DOCUMENT: dict[str, Any] = {
    "contenders": {
        "made_at": "2026-01-02T03:04:05+00:00",
        "machine": {"cpu": "a processor", "cores": 2, "python": "CPython 3"},
        "one rate": {"figures": {"threadrun": figures(), "AsyncOpenAI": figures(delay_mean_ms=500.0)}},
        "one tool": {
            "figures": {"threadrun": figures(), "AsyncOpenAI": figures(cpu_ms=21.0)},
            "cpu_ratios": {"AsyncOpenAI": 3.5, "floor": 0.1},
            "sustained": {"threadrun": 180.0, "AsyncOpenAI": 50.0},
            "rates": {"threadrun": 144.0, "AsyncOpenAI": 40.0},
        },
    },
    "scale": {
        "in_flight_1000": {"worker_cpu_ms_per_poll": 0.4},
        "one_poll": {"bare_ms": 0.2, "provider_ms": 0.22, "ratio": 1.1},
        "idle": {"runs_share": 0.009},
    },
}


def bar(beginning: str) -> Bar:
    return next(one for one in bars(DOCUMENT) if one.figure.startswith(beginning))


@pytest.mark.parametrize(
    ("beginning", "reached", "met"),
    [
        ("CPU of a one-tool run, beside AsyncOpenAI's", "0.29 times", True),
        ("CPU of a one-tool run, beside the floor's", "10.00 times", False),
        ("sustained", "3.60 times", True),
        ("requests", "1.00 times", True),
        ("mean delay", "0.80 times", True),
        ("CPU of reading", "1.10 times", True),
        ("CPU of the whole poll", "2.00 times", False),
        ("idle runs worker", "0.90 % of a core", True),
    ],
)
def test_each_bar_compares_a_figure_with_its_limit(beginning: str, reached: str, met: bool) -> None:
    assert (bar(beginning).reached, bar(beginning).met) == (reached, met)


def test_what_was_left_out_is_neither_met_nor_missed() -> None:
    assert bar("enqueue_many") == Bar("enqueue_many", "at least 10,000/s", None, None)
    assert all(one.met is None for one in bars({}))


def test_the_table_of_bars_says_which_are_met() -> None:
    told = bar_table(bars(DOCUMENT)).splitlines()

    assert told[1].split()[-1] == "met"
    assert told[2].endswith("not met")
    assert told[-1].endswith("not measured")


def test_the_docs_tables_are_written_from_the_document() -> None:
    assert "| threadrun | 144 | —, 6.0, — | 180 | 10.0 | 400, 800 | 300 |" in contender_table(DOCUMENT)
    assert "Made on 2026-01-02: a processor, 2 cores, CPython 3." in contender_table(DOCUMENT)
    assert "| idle runs worker | 0.90 % of a core | under 1 % of a core | met |" in bars_table(DOCUMENT)


def test_the_docs_tell_each_number_of_runs_in_flight_in_order() -> None:
    names = [name for _, name, _ in LEVEL_FIGURES]
    level = dict.fromkeys(names, 2.0)
    scale = {f"in_flight_{runs}": {"runs": runs, **level} for runs in (50_000, 1_000)}

    told = scale_table({"scale": {**scale, "start_up": {name: 0.25 for _, _, name, _, _ in SINGLE_FIGURES}}})

    assert told.index("| 1,000 | 2 |") < told.index("| 50,000 | 2 |")
    assert "`import threadrun` takes 0.25 s" in told
    assert "finished" not in told


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    fill(page, "new")
    fill(page, "newer")

    assert page.read_text() == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"


def test_a_page_without_marks_is_not_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text")

    with pytest.raises(LookupError, match="lacks"):
        fill(page, "new")

    assert page.read_text() == "text"
