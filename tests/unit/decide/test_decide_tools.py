"""Calls that wait for handlers, or run in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.decide.views import (
    ADD,
    ASKS,
    NOW,
    RULES,
    SIGNATURE,
    TOOLS,
    a_run,
    call,
    decide,
    moved,
    names,
    no,
    shown,
    unknown,
    yes,
)
from threadrun.status import CallState, Outcome, Stage
from threadrun.tools import ToolResultKind
from worker.decide.calls import fingerprint
from worker.decide.decision import Ask, Question, Repair, Rest, Settlement
from worker.decide.seen import RunSeen
from worker.providers.base import Refusal
from worker.view import CallView, Progress

CLAIMED = CallState.CLAIMED
LOOK = ("call_2", "look", "{}")
SETTLED = CallState.SETTLED


def in_tools(*calls: CallView, looked: int = NOW - 1_000, **fields: object):
    expires_ms = int(str(fields.pop("expires_ms", 0)))
    progress = Progress(
        created_seen_ms=NOW - 9_000, signature=SIGNATURE, looked_ms=looked, expires_ms=expires_ms
    )
    return a_run(Stage.TOOLS, progress, status="requires_action", round=1, calls=calls or (call(),), **fields)


def held_call(**fields: object) -> CallView:
    values = {"worker": "tools@a/1", "token": "t1", "deadline_ms": NOW + 30_000, "attempts": 1}
    return call(state=CLAIMED, **{**values, **fields})


def test_a_call_in_its_handler_is_only_looked_at_again_soon():
    assert decide(in_tools(held_call())) == Rest(5_000)


@pytest.mark.parametrize(("sends", "seconds"), [(1, 15), (2, 30), (3, 60), (4, 120)])
def test_a_call_that_nobody_claims_is_sent_again_after_15_30_60_seconds(sends, seconds):
    early = decide(in_tools(call(sends=sends, sent_ms=NOW - seconds * 1000 + 1)))
    due = moved(decide(in_tools(call(sends=sends, sent_ms=NOW - seconds * 1000))))

    assert early == Rest(1)
    assert [(sent.index, sent.sends, sent.sent_ms) for sent in due.changes.sent] == [(0, sends + 1, NOW)]
    assert (due.stage, names(due.changes.events)) == (Stage.TOOLS, ["tool.sent_again"])


def test_a_reopened_call_is_sent_when_its_pause_is_over():
    paused = call(sends=0, sent_ms=0, not_before_ms=NOW + 2_000)

    assert decide(in_tools(paused)) == Rest(2_000)
    sent = moved(decide(in_tools(paused), now=NOW + 2_000))
    assert ([c.sends for c in sent.changes.sent], sent.changes.events) == ([1], ())


def test_when_every_call_has_its_output_they_are_submitted():
    assert moved(decide(in_tools(call(state=SETTLED)))).stage is Stage.SUBMIT


# The provider, meanwhile.


def test_the_provider_is_looked_at_every_15_seconds():
    assert decide(in_tools(held_call(), looked=NOW - 14_999)) == Rest(1)
    assert decide(in_tools(held_call(), looked=NOW - 15_000)) == Ask(Question.RUN)


def test_a_run_that_still_waits_for_these_calls_is_left_alone():
    move = moved(decide(in_tools(held_call(), looked=NOW - 15_000), RunSeen(yes(ASKS), TOOLS)))

    assert (move.stage, move.delay_ms) == (Stage.TOOLS, 5_000)
    assert (move.changes.progress.looked_ms, move.changes.opened, move.changes.withdraw) == (NOW, (), False)


@pytest.mark.parametrize("status", ["expired", "cancelled", "completed", "failed"])
def test_a_run_that_has_ended_withdraws_what_was_not_begun(status):
    move = moved(decide(in_tools(), RunSeen(yes(shown(status)), TOOLS)))

    assert (move.stage, move.changes.withdraw) == (Stage.FINALIZE, True)


def test_a_run_that_works_on_without_us_is_polled_and_its_unclaimed_calls_are_withdrawn():
    """One look may be an old picture; were it believed, the calls would be run again when the run asks again."""
    first = moved(decide(in_tools(), RunSeen(yes(shown("in_progress")), TOOLS)))
    run = a_run(Stage.TOOLS, first.changes.progress, round=1, calls=(call(),))
    second = moved(decide(run, RunSeen(yes(shown("queued")), TOOLS), NOW + 15_000))

    assert (first.stage, first.changes.withdraw) == (Stage.TOOLS, False)
    assert (second.stage, second.changes.withdraw) == (Stage.POLL, True)


def test_calls_that_were_withdrawn_wait_for_a_handler_again_once_the_run_does():
    move = moved(decide(both(held_call(), call(1, CallState.WITHDRAWN), looked_ms=NOW)))

    assert (move.stage, move.delay_ms, move.changes.resumed) == (Stage.TOOLS, 0, (1,))


def test_a_look_that_shows_it_waiting_again_takes_the_doubt_away():
    doubt = moved(decide(in_tools(), RunSeen(yes(shown("in_progress")), TOOLS))).changes.progress
    run = a_run(Stage.TOOLS, doubt, round=1, calls=(call(),))
    sure = moved(decide(run, RunSeen(yes(ASKS), TOOLS), NOW + 15_000)).changes.progress

    assert (doubt.left_ms, sure.left_ms) == (NOW, 0)


def test_a_run_that_asks_for_other_calls_gets_a_new_round_and_the_old_one_is_withdrawn():
    asks = shown("requires_action", ("call_9", "look", "{}"))
    move = moved(decide(in_tools(), RunSeen(yes(asks), TOOLS)))

    assert (move.stage, move.changes.withdraw) == (Stage.TOOLS, True)
    assert [row.tool_call_id for row in move.changes.opened] == ["call_9"]


BOTH = shown("requires_action", ADD, LOOK)
IN_PART = shown("requires_action", LOOK)
"""Of the two calls, another client has answered the first."""


def both(*calls: CallView, **progress: object):
    known = Progress(created_seen_ms=NOW - 9_000, signature=fingerprint(BOTH), looked_ms=NOW - 15_000)
    return a_run(Stage.TOOLS, replace(known, **progress), status="requires_action", round=1, calls=calls)


def test_a_run_that_asks_for_some_of_these_calls_only_gets_no_new_round():
    move = moved(decide(both(held_call(), call(1)), RunSeen(yes(IN_PART), TOOLS)))

    assert (move.stage, move.changes.opened, move.changes.withdraw) == (Stage.TOOLS, (), False)
    assert move.changes.progress.wanted == (1,)


def test_of_calls_that_another_has_answered_those_not_begun_are_not_begun_and_the_others_are_waited_for():
    decision = decide(both(call(0), call(1), wanted=(1,)))

    assert isinstance(decision, Repair)
    assert [(one.call.index, one.kind) for one in decision.settle] == [(0, "answered_elsewhere")]
    assert decide(both(held_call(), call(1), wanted=(1,), looked_ms=NOW)) == Rest(5_000)


def test_the_same_calls_in_another_order_are_the_same_round():
    turned = shown("requires_action", LOOK, ADD)
    move = moved(decide(both(held_call(), call(1)), RunSeen(yes(turned), TOOLS)))

    assert (move.stage, move.changes.opened, move.changes.progress.wanted) == (Stage.TOOLS, (), ())


def test_an_older_picture_that_shows_more_of_them_again_changes_nothing():
    run = both(held_call(), held_call(index=1), wanted=(1,))
    move = moved(decide(run, RunSeen(yes(BOTH), TOOLS)))

    assert (move.stage, move.delay_ms, move.changes.progress.wanted) == (Stage.TOOLS, 5_000, (1,))


@pytest.mark.parametrize(
    "odd", [shown("pondering"), shown("requires_action"), shown("requires_action", required_action={})]
)
def test_what_cannot_be_understood_is_no_reason_to_drop_the_calls(odd):
    move = moved(decide(in_tools(held_call()), RunSeen(yes(odd), TOOLS)))

    assert (move.stage, move.changes.withdraw) == (Stage.TOOLS, False)


@pytest.mark.parametrize("reply", [unknown(), no(Refusal.UNAUTHORIZED), no(Refusal.RATE_LIMITED)])
def test_a_provider_that_cannot_be_read_disturbs_no_handler_and_no_sending(reply):
    due = call(sends=1, sent_ms=NOW - 15_000)
    move = moved(decide(in_tools(due), RunSeen(reply)))

    assert (move.stage, [c.sends for c in move.changes.sent]) == (Stage.TOOLS, [2])
    assert move.changes.progress.looked_ms == NOW


def test_a_run_missing_for_a_minute_is_lost_in_tools_too():
    run = in_tools()
    first = moved(decide(run, RunSeen(no(Refusal.NOT_FOUND))))
    later = a_run(Stage.TOOLS, first.changes.progress, round=1, calls=(call(),))
    last = moved(decide(later, RunSeen(no(Refusal.NOT_FOUND)), NOW + 60_000))

    assert first.stage is Stage.TOOLS
    assert (last.stage, last.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)


# Expiry, cancel, deadline.


def test_near_the_expiry_every_call_without_an_output_gets_an_error_output():
    calls = (call(0), held_call(index=1), call(2, SETTLED))
    run = in_tools(*calls, expires_ms=NOW + RULES.expiry_margin_ms)

    expired = ToolResultKind.EXPIRED
    assert decide(run) == Repair(settle=(Settlement(calls[0], expired), Settlement(calls[1], expired)))


def test_the_next_look_is_at_the_expiry_margin():
    run = in_tools(held_call(), expires_ms=NOW + RULES.expiry_margin_ms + 700)

    assert decide(run) == Rest(700)


@pytest.mark.parametrize(
    ("wish", "ending"), [({"cancel_ms": NOW}, Outcome.CANCELLED), ({"deadline_ms": NOW}, Outcome.TIMED_OUT)]
)
def test_a_cancel_or_the_deadline_withdraws_what_was_not_begun_and_cancels(wish, ending):
    move = moved(decide(in_tools(**wish)))

    assert (move.stage, move.changes.withdraw, move.changes.progress.ending) == (Stage.CANCEL, True, ending)


def test_the_deadline_is_never_slept_over():
    assert decide(in_tools(held_call(), deadline_ms=NOW + 900)) == Rest(900)


# Dead workers and calls that never report.


def test_an_idempotent_call_whose_worker_died_is_run_again_and_its_death_is_counted():
    dead = held_call(idempotent=True, claimant_dead=True, attempts=2)

    assert decide(in_tools(dead)) == Repair(reopen=(replace(dead, deaths=1),))


def test_any_other_call_whose_worker_died_has_an_unknown_outcome_and_is_never_run_again():
    dead = held_call(claimant_dead=True)

    unknown = Settlement(replace(dead, deaths=1), ToolResultKind.UNKNOWN_OUTCOME)
    assert decide(in_tools(dead)) == Repair(settle=(unknown,))


def test_a_claim_long_past_its_deadline_has_timed_out_even_if_its_worker_lives():
    limit = NOW - RULES.hard_limit_grace_ms
    overdue = held_call(deadline_ms=limit - 1, idempotent=True)

    assert decide(in_tools(held_call(deadline_ms=limit))) == Rest(5_000)
    assert decide(in_tools(overdue)) == Repair(settle=(Settlement(overdue, ToolResultKind.TIMEOUT),))


def test_the_calls_of_living_workers_are_left_alone_when_another_died():
    dead, alive = held_call(claimant_dead=True), held_call(index=1, worker="tools@b/2")
    decision = decide(in_tools(dead, alive))

    assert isinstance(decision, Repair)
    assert [settlement.call.index for settlement in decision.settle] == [dead.index]


def test_identity_is_the_place_in_the_round_where_ids_are_empty():
    dead = call(1, CLAIMED, tool_call_id="", claimant_dead=True, token="t2")
    decision = decide(in_tools(call(0, tool_call_id=""), dead))

    assert isinstance(decision, Repair)
    assert decision.settle[0].call.index == 1


def test_what_the_run_asked_for_first_is_what_is_compared():
    other = shown("requires_action", ("call_1", "add", '{"a":1}'), ADD)

    assert moved(decide(in_tools(), RunSeen(yes(other), TOOLS))).changes.opened != ()
