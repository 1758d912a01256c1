"""The simulator counts looks as a client would make them, and the default policy is chosen by it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.policies import ROUND_TRIP_SECONDS, ClientHelper, compare, looks, table
from benchmarks.scatter import Point, scatter
from benchmarks.shapes import SHAPES, durations
from worker.backoff import Fixed


def test_a_fixed_policy_looks_each_time_its_interval_and_a_round_trip_are_over() -> None:
    polls, late = looks(Fixed(1_000, jitter=0), 2.5, "s")

    assert polls == 3
    assert late == pytest.approx(0.5 + 3 * ROUND_TRIP_SECONDS)


def test_the_openai_client_looks_at_once_and_then_each_second() -> None:
    polls, late = looks(ClientHelper(), 2.5, "s")

    assert polls == 4
    assert late == pytest.approx(0.5 + 4 * ROUND_TRIP_SECONDS)


def test_a_run_that_has_ended_at_once_is_still_looked_at_once() -> None:
    assert looks(ClientHelper(), 0.0, "s")[0] == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_seed_draws_the_same_durations(shape: str) -> None:
    assert durations(shape, 50, 3) == durations(shape, 50, 3)
    assert durations(shape, 50, 3) != durations(shape, 50, 4)


@pytest.mark.parametrize("shape", ["short", "heavy tail"])
def test_the_default_asks_less_often_than_the_openai_client_and_sees_it_sooner(shape: str) -> None:
    scores = compare(1_000, 1)[shape]

    assert scores["default"].polls < scores["AsyncOpenAI"].polls
    assert scores["default"].delay_mean_ms < scores["AsyncOpenAI"].delay_mean_ms


def test_over_no_shape_is_the_default_late_by_a_much_greater_share_of_the_spell() -> None:
    for scores in compare(1_000, 1).values():
        assert scores["default"].delay_share < 1.1 * scores["AsyncOpenAI"].delay_share


def test_the_table_tells_every_policy_of_every_shape() -> None:
    told = table(compare(20, 1))

    assert all(shape in told for shape in SHAPES)
    assert told.count("default") == len(SHAPES)


def test_the_drawing_is_an_svg_with_a_dot_and_a_name_for_each_point() -> None:
    drawn = scatter({"a < b": [Point("p", 1, 2), Point("q", 2, 1)]}, "x", "y")

    root = ElementTree.fromstring(drawn)
    assert len(root.findall(".//{*}circle")) == 2
    assert {"a < b", "p", "q"} <= {text.text for text in root.findall(".//{*}text")}
