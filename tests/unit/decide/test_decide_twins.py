"""Which runs are twins of ours, and how long they are looked for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.unit.decide.views import NOW, RULES
from threadrun.models import Run
from worker.decide.twins import WATCH_MS, TwinState, TwinWatch, newly_found, next_look_ms


def watch(**fields: Any) -> TwinWatch:
    values = {
        "run_key": "k1", "claim": 1, "news": "1", "thread_id": "thread_1", "run_id": "run_1", "creating": False,
        "until_ms": NOW + WATCH_MS, "twins": {},
    }  # fmt: skip
    return TwinWatch(**{**values, **fields})


def listed(run_id: str, key: str | None = "k1") -> Run:
    return Run.from_wire(
        {"id": run_id, "status": "queued", "metadata": {"threadrun_key": key} if key else None}
    )


def test_a_twin_carries_our_key_and_is_not_our_run():
    runs = (listed("run_1"), listed("run_2"), listed("run_3", "k2"), listed("run_4", None))

    assert newly_found(watch(), runs) == ("run_2",)


def test_of_a_run_that_ended_without_one_of_its_own_every_run_is_a_twin():
    assert newly_found(watch(run_id=""), (listed("run_1"), listed("run_2"))) == ("run_1", "run_2")


def test_a_twin_is_told_once():
    known = {"run_2": TwinState.FOUND, "run_3": TwinState.ENDED}

    assert newly_found(watch(twins=known), (listed("run_2"), listed("run_3"))) == ()


def test_a_suspect_is_a_twin_though_no_list_shows_it():
    assert newly_found(watch(twins={"run_2": TwinState.SUSPECTED}), ()) == ("run_2",)


def test_looks_grow_rarer_but_come_every_15_seconds_and_one_at_the_end():
    seen, now = [], NOW
    while (wait_ms := next_look_ms(watch(), now, RULES, read=True)) is not None:
        now += wait_ms
        seen.append((now - NOW) / 1000)

    assert seen[0] == 3
    assert max(later - sooner for sooner, later in pairwise(seen)) <= 15
    assert seen[-1] == 60
    assert len(seen) < 10


@pytest.mark.parametrize("state", [TwinState.FOUND, TwinState.CANCELLED])
def test_a_twin_that_has_not_ended_is_looked_after_beyond_the_minute_but_not_for_ever(state):
    after = watch(twins={"run_2": state})

    assert next_look_ms(after, NOW + WATCH_MS, RULES, read=True) == 3_000
    given_up = NOW + WATCH_MS + RULES.cancel_deadline_ms
    assert next_look_ms(after, given_up - 1, RULES, read=True) == 3_000
    assert next_look_ms(after, given_up, RULES, read=True) is None


def test_a_thread_that_could_not_be_read_at_the_end_is_read_again():
    assert next_look_ms(watch(), NOW + WATCH_MS, RULES, read=False) == 3_000
    assert next_look_ms(watch(), NOW + WATCH_MS, RULES, read=True) is None
