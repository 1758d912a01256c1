"""A defect of our own that breaks off every advance: the run ends all the same, soon after its deadline."""

from __future__ import annotations

import pytest

from tests.integration.engine.scripted_provider import ANSWER, ScriptedProvider
from threadrun.status import Outcome, Stage
from worker.advance import Advance
from worker.providers.base import Unknown


async def broken(self, *_: object) -> None:
    raise LookupError("a defect")


@pytest.mark.parametrize("stage", [Stage.CREATE, Stage.POLL, Stage.TOOLS, Stage.FINALIZE])
async def test_a_run_that_every_advance_breaks_off_is_lost_soon_after_its_deadline(
    new_house, monkeypatch, stage
):
    house = new_house(ScriptedProvider(("add",)))
    house.provider.answers["list_steps"] = [Unknown("server_error", ANSWER)]  # so that it stays in finalize
    key = house.enqueue(deadline_seconds=120)
    await house.carry(until=stage)
    monkeypatch.setattr(Advance, "_load", broken)
    await house.carry()

    record = house.record(key)
    expected = Outcome.COMPLETED if stage is Stage.FINALIZE else Outcome.LOST
    assert (record.outcome, record.stage) == (expected, Stage.DONE)
    assert record.missing == ("steps", "messages", "usage")
    assert 120 <= (record.finished_at - record.created_at).total_seconds() <= 260


async def test_failures_before_the_deadline_do_not_count(new_house, monkeypatch):
    house = new_house()
    key = house.enqueue(deadline_seconds=600)
    whole = Advance._load
    monkeypatch.setattr(Advance, "_load", broken)
    for _ in range(5):
        await house.serve(Stage.CREATE)
        house.turn(20)
    monkeypatch.setattr(Advance, "_load", whole)
    await house.carry()

    assert house.record(key).outcome is Outcome.COMPLETED
