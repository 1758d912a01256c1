"""How late a contender saw what had happened is read from the run server, not from the contender."""

from __future__ import annotations

import pytest

from benchmarks.detection import detection_delays
from threadrun.testing import Effect

CHANGES = {
    "run_1": [
        (10.0, "queued"),
        (10.0, "in_progress"),
        (12.0, "requires_action"),
        (13.0, "queued"),
        (13.0, "in_progress"),
        (15.0, "requires_action"),
        (16.0, "queued"),
        (18.0, "completed"),
    ]
}


def read(at: float, status: str, run_id: str = "run_1", effect: str = "run.read") -> Effect:
    return Effect(1, at, "GET", "/v1/…", 200, effect, run_id=run_id, run_status=status)


SEEN = [
    read(11.9, "in_progress"),
    read(12.5, "requires_action"),
    read(12.9, "requires_action"),
    read(15.25, "requires_action"),
    read(18.0, "in_progress"),
    read(18.75, "completed"),
]


def test_a_delay_lasts_from_a_change_to_the_first_read_that_showed_it() -> None:
    assert detection_delays(CHANGES, SEEN) == pytest.approx([0.5, 0.25, 0.75])


def test_reads_of_other_runs_and_other_requests_show_nothing() -> None:
    elsewhere = [
        read(12.1, "requires_action", "run_2"),
        read(12.2, "requires_action", effect="outputs.accepted"),
    ]
    both = sorted([*elsewhere, *SEEN], key=lambda effect: effect.time)

    assert detection_delays(CHANGES, both) == pytest.approx([0.5, 0.25, 0.75])


def test_a_change_that_nobody_saw_is_no_delay_but_an_error() -> None:
    with pytest.raises(LookupError, match=r"run_1 .* completed"):
        detection_delays(CHANGES, SEEN[:-1])
