"""Which log lines are warnings: an alert on them must ring when somebody should look, and not otherwise."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from worker.transitions import level_of


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("run.held", {"reason": "unauthorized"}),
        ("tool.settled", {"round": 1, "index": 0, "kind": "unknown_outcome"}),
        ("tool.reopened", {"reason": "worker_died"}),
        ("run.finished", {"outcome": "rejected", "missing": []}),
        ("run.finished", {"outcome": "timed_out"}),
    ],
)
def test_what_somebody_should_look_at_is_a_warning(name: str, data: dict[str, Any]) -> None:
    assert level_of(name, data) == logging.WARNING


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("run.held", {"reason": "rate_limited"}),
        ("tool.settled", {"kind": "ok"}),
        ("run.finished", {"outcome": "completed"}),
        ("run.created", {"status": "failed"}),
    ],
)
def test_what_goes_its_way_is_not(name: str, data: dict[str, Any]) -> None:
    assert level_of(name, data) == logging.INFO
