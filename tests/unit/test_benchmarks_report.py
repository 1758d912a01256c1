"""The benchmark's tables, its document, and the exit code by which a smoke test fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.contender import Contender
from benchmarks.document import add_section, read
from benchmarks.figures import figures, percentile_99
from benchmarks.measure import Measured
from benchmarks.report import Result, section, table
from benchmarks.workload import Plan

OURS = Measured(
    contender="threadrun",
    runs=10,
    wall_seconds=5.0,
    cpu_seconds={"redis": 0.02, "runs": 0.06},
    server_cpu_seconds=0.5,
    requests={"run.read": 70, "run.created": 10},
    delay_seconds=[0.1, 0.3],
    beyond_thinking_seconds=[0.4],
    late_seconds=[0.0],
    start_seconds=[0.02],
    peak_bytes=150_000_000,
    load_average=1.0,
)
THEIRS = replace(OURS, contender="AsyncOpenAI", cpu_seconds={"process": 0.24}, delay_seconds=[0.4, 0.6])


def times(measured: Measured, factor: float) -> Measured:
    return replace(measured, cpu_seconds={name: s * factor for name, s in measured.cpu_seconds.items()})


def test_figures_are_those_of_one_run() -> None:
    found = figures(OURS)

    assert found.cpu_ms == pytest.approx(8)
    assert found.requests == pytest.approx(8)
    assert found.delay_mean_ms == pytest.approx(200)
    assert found.start_mean_ms == pytest.approx(20)
    assert found.peak_mb == pytest.approx(150)
    assert found.server_share == pytest.approx(0.1)


def test_one_in_a_hundred_is_above_the_99th_percentile() -> None:
    assert percentile_99([float(number) for number in range(101)]) == pytest.approx(99)
    assert percentile_99([3.0]) == 3.0


def test_a_round_in_which_the_machine_was_slow_does_not_bend_the_ratio() -> None:
    result = Result(
        {
            "threadrun": [OURS, times(OURS, 5), OURS],
            "AsyncOpenAI": [THEIRS, times(THEIRS, 5), times(THEIRS, 1.1)],
        }
    )

    assert result.ratio("AsyncOpenAI") == pytest.approx(3)


def test_the_table_tells_where_the_cpu_went_and_how_the_contenders_compare() -> None:
    told = table(Result({"threadrun": [OURS], "AsyncOpenAI": [THEIRS]}, sustained={"threadrun": 200.0}))

    assert "redis 2.00, runs 6.00" in told
    assert "the run server 50.00" in told
    assert "AsyncOpenAI needs 3.00 times the CPU of threadrun" in told
    assert "2.50 times its mean delay" in told
    assert "200" in told
    assert "Beware" not in told


def test_the_table_warns_of_a_run_server_that_may_be_what_was_measured() -> None:
    busy = replace(THEIRS, server_cpu_seconds=4.5)

    assert "90% of the time with AsyncOpenAI" in table(Result({"threadrun": [OURS], "AsyncOpenAI": [busy]}))


def test_the_document_holds_every_figure_of_every_round_with_versions_and_machine(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    result = Result({"threadrun": [OURS, times(OURS, 3)], "AsyncOpenAI": [THEIRS, THEIRS]})

    add_section(path, "contenders", {"one tool": section(result)})

    document = json.loads(path.read_text())["contenders"]
    assert document["machine"]["cores"]
    assert document["versions"]["redis"]
    assert document["one tool"]["cpu_ratios"] == {"AsyncOpenAI": pytest.approx(2)}
    assert [one["cpu_ms"] for one in document["one tool"]["rounds"]["threadrun"]] == [8.0, 24.0]


def test_each_program_adds_its_part_to_the_document_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"

    add_section(path, "contenders", {"one tool": 1})
    add_section(path, "scale", {"idle": 2})
    add_section(path, "contenders", {"no tool": 3})

    document = read(path)
    assert (document["contenders"]["one tool"], document["contenders"]["no tool"]) == (1, 3)
    assert document["scale"]["idle"] == 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Measure nothing, and keep who was asked to carry how many runs."""
    asked: list[tuple[str, int]] = []

    def measure(contender: Contender, carried: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
        asked.append((contender.name, len(carried)))
        return OURS if contender.name == "threadrun" else THEIRS

    def sustained_rate(contender: Contender, workload: object) -> float:
        return 500.0 if contender.name == "threadrun" else 50.0

    monkeypatch.setattr(program, "measure", measure)
    monkeypatch.setattr(program, "sustained_rate", sustained_rate)
    return asked


@pytest.mark.parametrize(
    ("factors", "code"), [((0.6,), 0), ((0.4, 0.6), 0), ((0.4, 0.4, 0.6), 0), ((0.4, 0.4, 0.4), 1)]
)
def test_a_smoke_test_fails_when_the_peer_needs_hardly_more_cpu_than_we_do_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, factors: tuple[float, ...], code: int
) -> None:
    rounds = iter(factors)

    def measure(contender: Contender, carried: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
        return OURS if contender.name == "threadrun" else times(THEIRS, next(rounds))

    monkeypatch.setattr(program, "measure", measure)

    assert program.main(["--smoke", "--json", str(tmp_path / "bench.json")]) == code
    assert list(rounds) == []


def test_what_is_measured_without_a_bar_fails_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(program, "measure", lambda *_: OURS)

    assert program.main(["--json", str(tmp_path / "bench.json")]) == 0


def test_a_smoke_test_measures_each_at_a_rate_of_its_own(
    asked: list[tuple[str, int]], tmp_path: Path
) -> None:
    program.main(["--smoke", "--json", str(tmp_path / "bench.json")])

    assert asked == [("threadrun", 800), ("AsyncOpenAI", 320)]
    assert "one tool" not in read(tmp_path / "bench.json")["contenders"]  # what `make bench` measured stays


def test_one_contender_can_be_measured_alone(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    assert program.main(["--only", "threadrun", "--json", str(tmp_path / "bench.json")]) == 0

    assert [name for name, _ in asked] == ["threadrun"]


def test_who_does_not_sustain_the_rate_is_measured_below_what_it_sustains(
    asked: list[tuple[str, int]], tmp_path: Path
) -> None:
    two = ["--only", "threadrun", "--only", "AsyncOpenAI"]

    program.main([*two, "--sustained", "--runs", "2000", "--rate", "200", "--json", str(tmp_path / "b.json")])

    assert asked == [("threadrun", 2000), ("AsyncOpenAI", 400)]


def test_other_kinds_of_runs_are_measured_well_below_what_each_sustains_with_one_tool(
    asked: list[tuple[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "b.json"
    two = [
        "--only",
        "threadrun",
        "--only",
        "AsyncOpenAI",
        "--json",
        str(path),
        "--runs",
        "200",
        "--rate",
        "200",
    ]
    program.main([*two, "--sustained"])
    asked.clear()

    program.main([*two, "--at-ease", "--kind", "no tool", "--as", "easy"])
    assert asked == [("threadrun", 200), ("AsyncOpenAI", 30)]
    assert set(read(path)["contenders"]) >= {"one tool", "easy"}
