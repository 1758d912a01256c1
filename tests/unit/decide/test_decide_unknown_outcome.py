"""A call whose handler never reported: it is run again, told, parked, or fails its run; three strikes end that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.decide.test_decide_tools import held_call, in_tools
from tests.unit.decide.views import NOW, RULES, a_run, call, decide, moved, names, shown, yes
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from threadrun.tools import ToolResultKind
from worker.decide.calls import answer_for
from worker.decide.decision import Repair, Rest, SettingAside, Settlement
from worker.decide.interrupted import pause_ms
from worker.decide.seen import CancelAnswered
from worker.view import CallView, Progress

UNKNOWN = ToolResultKind.UNKNOWN_OUTCOME
DEAD = {"idempotent": True, "claimant_dead": True}


def parked(index: int = 0, **fields: object) -> CallView:
    values = {"on_unknown": OnUnknown.PARK, "token": "t1", "attempts": 1}
    return call(index, CallState.UNKNOWN, **{**values, **fields})


@pytest.mark.parametrize("choice", [OnUnknown.PARK, OnUnknown.FAIL])
def test_a_tool_that_does_not_want_the_model_told_has_its_call_set_aside_without_an_answer(choice):
    dead = held_call(claimant_dead=True, on_unknown=choice)

    assert decide(in_tools(dead)) == Repair(aside=(SettingAside(replace(dead, deaths=1), UNKNOWN),))


def test_a_call_past_its_hard_limit_is_unknown_too_for_nobody_reported_how_it_ended():
    overdue = held_call(deadline_ms=NOW - RULES.hard_limit_grace_ms - 1, on_unknown=OnUnknown.PARK)

    assert decide(in_tools(overdue)) == Repair(aside=(SettingAside(overdue, ToolResultKind.TIMEOUT),))


def test_a_parked_call_waits_and_its_round_with_it_while_others_are_sent():
    move = moved(decide(in_tools(parked(), call(1, sends=1, sent_ms=NOW - 15_000))))

    assert decide(in_tools(parked(), call(1, CallState.SETTLED))) == Rest(5_000)
    assert (move.stage, [sent.index for sent in move.changes.sent]) == (Stage.TOOLS, [1])


def test_a_run_whose_tool_wants_it_is_cancelled_and_ends_failed_with_the_reason():
    move = moved(decide(in_tools(parked(on_unknown=OnUnknown.FAIL), call(1))))

    progress = move.changes.progress
    assert (move.stage, move.changes.withdraw, names(move.changes.events)) == (
        Stage.CANCEL, True, ["run.cancelling"],
    )  # fmt: skip
    assert (progress.ending, progress.reason) == (Outcome.FAILED, "outcome_unknown")


def test_parking_ends_near_the_expiry_and_the_model_is_told_what_is_known():
    run = in_tools(parked(), expires_ms=NOW + RULES.expiry_margin_ms)

    assert decide(run) == Repair(settle=(Settlement(parked(), UNKNOWN),))
    assert "unknown" in answer_for(UNKNOWN)


def test_near_the_expiry_a_call_in_its_handler_still_fails_a_run_whose_tool_wants_that():
    claimed = held_call(on_unknown=OnUnknown.FAIL)
    run = in_tools(claimed, expires_ms=NOW + RULES.expiry_margin_ms)

    assert decide(run) == Repair(aside=(SettingAside(claimed, ToolResultKind.EXPIRED),))


@pytest.mark.parametrize(
    ("wish", "ending"), [({"deadline_ms": NOW}, Outcome.TIMED_OUT), ({"cancel_ms": NOW}, Outcome.CANCELLED)]
)
def test_parking_ends_with_the_runs_deadline_or_a_cancel(wish, ending):
    move = moved(decide(in_tools(parked(), **wish)))

    assert (move.stage, move.changes.progress.ending) == (Stage.CANCEL, ending)


def test_a_death_alone_is_a_strike_and_a_death_in_company_is_not():
    alone, together = held_call(**DEAD, alone=True), held_call(**DEAD)

    assert decide(in_tools(alone)) == Repair(reopen=(replace(alone, strikes=1, deaths=1),))
    assert decide(in_tools(together)) == Repair(reopen=(replace(together, deaths=1),))


@pytest.mark.parametrize(
    ("before", "alone"), [({"strikes": 2, "deaths": 2}, True), ({"strikes": 1, "deaths": 5}, False)]
)
def test_the_third_strike_or_the_sixth_death_quarantines_an_idempotent_call(before, alone):
    dead = held_call(**DEAD, **before, alone=alone)
    decision = decide(in_tools(dead))

    assert isinstance(decision, Repair)
    (settlement,) = decision.settle
    assert (settlement.kind, settlement.call.quarantined, decision.reopen) == (UNKNOWN, True, ())


def test_a_quarantined_call_is_parked_where_its_tool_parks():
    dead = held_call(**DEAD, strikes=2, deaths=2, alone=True, on_unknown=OnUnknown.PARK)
    decision = decide(in_tools(dead))

    assert isinstance(decision, Repair)
    assert [one.call.quarantined for one in decision.aside] == [True]


def test_exceptions_and_retries_are_no_deaths():
    dead = held_call(**DEAD, alone=True, attempts=40)

    assert isinstance(decide(in_tools(dead)), Repair)
    assert decide(in_tools(dead)) == Repair(reopen=(replace(dead, strikes=1, deaths=1),))


def test_calls_that_died_together_are_run_apart_and_one_that_died_alone_at_once():
    together = [held_call(index=at, token=f"t{at}", deaths=2) for at in range(8)]
    pauses = {pause_ms(one, RULES) for one in together}

    assert len(pauses) > 4
    assert max(pauses) <= 2 * RULES.apart_ms
    assert pause_ms(held_call(alone=True, deaths=2), RULES) == 0


def test_the_reason_is_forgotten_when_the_provider_ends_the_run_in_its_own_way():

    progress = Progress(ending=Outcome.FAILED, reason="outcome_unknown", cancel_since_ms=NOW)
    run = a_run(Stage.CANCEL, progress)
    completed = moved(decide(run, CancelAnswered(yes(shown("completed"))))).changes.progress
    cancelled = moved(decide(run, CancelAnswered(yes(shown("cancelled"))))).changes.progress

    assert (completed.ending, completed.reason) == (Outcome.COMPLETED, "")
    assert (cancelled.ending, cancelled.reason) == (Outcome.FAILED, "outcome_unknown")
