"""The search finds the rate up to which a contender keeps up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks import sustained
from benchmarks.contender import Contender
from benchmarks.measure import Measured
from benchmarks.ours import Ours
from benchmarks.scale.agenda_lag import Lags
from benchmarks.sustained import PRECISION, keeps_up, search
from benchmarks.workload import Plan, Workload
from tests.unit.test_benchmarks_report import OURS


@pytest.mark.parametrize("limit", [0.5, 3.7, 4.0, 55.0, 333.0])
def test_the_rate_is_found_within_the_precision(limit: float) -> None:
    found = search(lambda rate: rate <= limit)

    assert limit * (1 - PRECISION) * 0.99 <= found <= limit


def test_few_rates_are_tried() -> None:
    tried: list[float] = []

    search(lambda rate: (tried.append(rate), rate <= 150)[1])

    assert tried[:4] == [16, 32, 64, 128]
    assert len(tried) <= 9


def test_the_search_ends_where_nothing_is_sustained_and_where_everything_is() -> None:
    assert search(lambda rate: False) == 0
    assert search(lambda rate: True, most=64) == 64


def test_who_sees_ends_late_does_not_keep_up_and_neither_does_who_begins_late() -> None:
    assert keeps_up(OURS)
    assert not keeps_up(replace(OURS, delay_seconds=[0.5, 1.7]))
    assert not keeps_up(replace(OURS, start_seconds=[0.1, 4.0]))
    assert keeps_up(replace(OURS, start_seconds=[4.0, 0.1]))


def test_a_rate_at_which_runs_get_no_answer_is_not_sustained(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(contender: Contender, carried: Sequence[Plan], warm_up: Sequence[Plan]) -> Measured:
        if len(carried) > 40 * sustained.BURST_SECONDS:
            raise RuntimeError("a run answered ''")
        return OURS

    monkeypatch.setattr(sustained, "measure", measure)

    assert 35 < sustained.sustained_rate(Ours(), Workload(1, 1.0, seed=1)) <= 40


def test_an_agenda_entry_that_is_gone_was_claimed_as_late_as_it_was_last_seen() -> None:
    lags = Lags()

    lags.sample([("a", 1000.0), ("b", 990.0)], now_ms=1010, since_last_ms=0)
    lags.sample([("b", 990.0)], now_ms=1030, since_last_ms=20)
    lags.sample([("b", 2000.0)], now_ms=2005, since_last_ms=20)

    assert lags.seen_ms == [30, 60]
