"""The benchmark's table, its file, and the exit code by which a smoke test fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.contender import Contender
from benchmarks.figures import figures, percentile_99
from benchmarks.measure import Measured
from benchmarks.report import ratio, table, write
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
    assert found.server_share == pytest.approx(0.1)


def test_one_in_a_hundred_is_above_the_99th_percentile() -> None:
    assert percentile_99([float(number) for number in range(101)]) == pytest.approx(99)
    assert percentile_99([3.0]) == 3.0


def test_a_round_in_which_the_machine_was_slow_does_not_bend_the_ratio() -> None:
    rounds = {
        "threadrun": [OURS, times(OURS, 5), OURS],
        "AsyncOpenAI": [THEIRS, times(THEIRS, 5), times(THEIRS, 1.1)],
    }

    assert ratio(rounds, "AsyncOpenAI") == pytest.approx(3)


def test_the_table_tells_where_the_cpu_went_and_how_the_contenders_compare() -> None:
    told = table({"threadrun": [OURS], "AsyncOpenAI": [THEIRS]})

    assert "redis 2.00, runs 6.00" in told
    assert "AsyncOpenAI needs 3.00 times the CPU of threadrun" in told
    assert "2.50 times its mean delay" in told
    assert "Beware" not in told


def test_the_table_warns_of_a_run_server_that_may_be_what_was_measured() -> None:
    busy = replace(THEIRS, server_cpu_seconds=4.5)

    assert "90% of the time with AsyncOpenAI" in table({"threadrun": [OURS], "AsyncOpenAI": [busy]})


def test_the_file_holds_every_number_with_versions_machine_and_parameters(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"

    write(path, {"seed": 1}, {"threadrun": [OURS, OURS], "AsyncOpenAI": [THEIRS, THEIRS]})

    document = json.loads(path.read_text())
    assert document["parameters"] == {"seed": 1}
    assert document["machine"]["cores"]
    assert document["versions"]["redis"]
    assert document["cpu_ratios"] == {"AsyncOpenAI": pytest.approx(3)}
    assert [one["delay_seconds"] for one in document["rounds"]["threadrun"]] == [[0.1, 0.3]] * 2


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (0.5, 1)])
def test_a_smoke_test_fails_when_the_peer_needs_less_than_twice_our_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, factor: float, code: int
) -> None:
    def measure(contender: Contender, carried: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
        return OURS if contender.name == "threadrun" else times(THEIRS, factor)

    monkeypatch.setattr(program, "measure", measure)

    assert program.main(["--smoke", "--json", str(tmp_path / "bench.json")]) == code
    assert program.main(["--json", str(tmp_path / "bench.json")]) == 0


def test_one_contender_can_be_measured_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(contender: Contender, carried: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
        asked.append(contender.name)
        return OURS

    monkeypatch.setattr(program, "measure", measure)

    assert program.main(["--only", "threadrun", "--json", str(tmp_path / "bench.json")]) == 0
    assert asked == ["threadrun"]
