"""A required action becomes a round of calls in the ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.decide.views import (
    ADD,
    NOW,
    RULES,
    SIGNATURE,
    TOOLS,
    a_run,
    decide,
    moved,
    names,
    shown,
    yes,
)
from threadrun.status import CallState, Outcome, Stage
from worker.decide.decision import Move
from worker.decide.seen import RunSeen
from worker.view import Progress

LOOK = ("call_2", "look", "{}")
NOBODYS = ("call_3", "fly", "{}")


def opened(*calls, progress: Progress | None = None, rules=RULES, asked=None, **fields: object) -> Move:
    asks = shown(
        "requires_action", *calls, **{k: fields.pop(k) for k in ("created_at", "expires_at") if k in fields}
    )
    run = a_run(Stage.POLL, progress or Progress(created_seen_ms=NOW), status="requires_action", **fields)
    return moved(decide(run, RunSeen(yes(asks), TOOLS, asked or {}), rules=rules))


def test_each_call_gets_a_row_with_what_the_catalogue_says_of_its_tool_and_is_sent():
    move = opened(ADD, LOOK)

    assert [(r.tool, r.queue, r.timeout_seconds, r.idempotent, r.state) for r in move.changes.opened] == [
        ("add", "tools", 60.0, False, CallState.PENDING),
        ("look", "slow", 5.0, True, CallState.PENDING),
    ]
    assert [(call.index, call.queue, call.sends, call.sent_ms) for call in move.changes.sent] == [
        (0, "tools", 1, NOW),
        (1, "slow", 1, NOW),
    ]
    assert move.stage is Stage.TOOLS
    assert dict(move.changes.events[0].data) == {"round": 1, "calls": 2}


def test_a_call_that_nobody_serves_is_answered_at_once_and_the_others_are_sent():
    move = opened(NOBODYS, ADD)

    missing = move.changes.opened[0]
    assert (missing.state, missing.kind) == (CallState.SETTLED, "missing_tool")
    assert json.loads(missing.output)["error"]["kind"] == "missing_tool"
    assert [call.index for call in move.changes.sent] == [1]
    assert names(move.changes.events) == ["run.requires_action", "tool.refused"]
    # A name that the model made up is content.
    assert dict(move.changes.events[1].data) == {"round": 1, "index": 0, "kind": "missing_tool"}


def test_a_served_tool_that_this_run_may_not_call_is_missing_to_it():
    move = opened(ADD, LOOK, tool_names="look")

    assert [row.kind for row in move.changes.opened] == ["missing_tool", ""]
    assert move.changes.events[1].data["tool"] == "add"


def test_a_tool_that_the_caller_named_and_nobody_serves_any_more_is_told_by_its_name():
    assert opened(NOBODYS, tool_names="look,fly").changes.events[1].data["tool"] == "fly"


def test_a_run_that_may_call_nothing_may_call_nothing():
    assert opened(ADD, tool_names="-").changes.opened[0].kind == "missing_tool"


def test_a_round_without_a_call_that_can_be_run_goes_straight_to_submit():
    move = opened(NOBODYS)

    assert (move.stage, move.delay_ms, move.changes.sent) == (Stage.SUBMIT, 0, ())


def test_a_call_of_a_kind_nobody_can_answer_gets_an_error_output_too():
    move = opened({"id": "c", "type": "computer_use_preview", "computer_use_preview": {"action": {}}})

    assert (move.stage, move.changes.opened[0].kind) == (Stage.SUBMIT, "missing_tool")


def test_handlers_may_run_until_the_margin_before_the_providers_expiry():
    move = opened(ADD, created_at=1_000, expires_at=1_060)

    assert move.changes.tools_until_ms == NOW + 45_000


def test_handlers_may_never_run_beyond_the_runs_deadline():
    move = opened(ADD, created_at=1_000, expires_at=1_600, deadline_ms=NOW + 30_000)

    assert move.changes.tools_until_ms == NOW + 30_000


def test_the_next_look_is_never_later_than_the_expiry_margin():
    assert opened(ADD, created_at=1_000, expires_at=1_017).delay_ms == 2_000
    assert opened(ADD, created_at=1_000, expires_at=1_010).delay_ms == 0


def test_one_round_too_many_brings_the_run_to_an_end_as_failed():
    progress = Progress(created_seen_ms=NOW, signature=SIGNATURE)
    move = opened(LOOK, progress=progress, round=RULES.max_rounds)

    assert (move.stage, move.changes.progress.ending) == (Stage.CANCEL, Outcome.FAILED)
    assert dict(move.changes.events[-1].data) == {"reason": "too_many_tool_calls"}


def test_one_call_too_many_in_a_round_does_the_same_and_as_many_as_allowed_do_not():
    rules = replace(RULES, max_calls=2)

    assert opened(ADD, LOOK, rules=rules).stage is Stage.TOOLS
    assert opened(ADD, LOOK, NOBODYS, rules=rules).stage is Stage.CANCEL


def test_one_call_too_many_in_all_rounds_does_the_same():
    rules = replace(RULES, max_total_calls=5)

    assert opened(ADD, LOOK, rules=rules, round=1, total_calls=3).stage is Stage.TOOLS
    move = opened(ADD, LOOK, rules=rules, round=1, total_calls=4)
    assert (move.stage, dict(move.changes.events[-1].data)) == (
        Stage.CANCEL,
        {"reason": "too_many_tool_calls"},
    )


def test_the_same_call_too_often_brings_the_run_to_an_end_as_failed():
    rules = replace(RULES, max_same_calls=2)
    spaced = ("call_9", "add", ' {"a" : 1}')
    first = opened(ADD, LOOK, rules=rules)
    second = opened(spaced, asked=first.changes.asked, rules=rules)
    third = opened(ADD, asked=second.changes.asked, rules=rules)

    assert (first.stage, second.stage, third.stage) == (Stage.TOOLS, Stage.TOOLS, Stage.CANCEL)
    assert third.changes.progress.ending is Outcome.FAILED
    assert dict(third.changes.events[-1].data) == {"reason": "same_call_repeated"}
    assert opened(ADD, spaced, ADD, rules=rules).stage is Stage.CANCEL  # in one round too


@pytest.mark.parametrize(
    "other", [("call_1", "look", '{"a":1}'), ("call_1", "add", '{"a":2}'), ("call_1", "add", '{"a":1')]
)
def test_another_tool_or_other_arguments_are_another_call(other):
    rules = replace(RULES, max_same_calls=1)

    assert opened(other, asked=opened(ADD).changes.asked, rules=rules).stage is not Stage.CANCEL


@pytest.mark.parametrize("odd", ["", "[" * 16_000, "1" * 10_000, "NaN", '{"a":1e400}', "\x00", "x" * 20_000])
def test_arguments_that_cannot_be_parsed_are_compared_as_they_stand(odd):
    rules = replace(RULES, max_same_calls=1)
    first = opened(("c", "add", odd), rules=rules)

    assert first.stage is Stage.TOOLS
    assert opened(("c", "add", odd), asked=first.changes.asked, rules=rules).stage is Stage.CANCEL


def test_arguments_that_are_too_long_are_answered_unread_and_kept_nowhere():
    rules = replace(RULES, max_arguments_bytes=1024)
    fits, long = ("c1", "add", "x" * 1024), ("c2", "add", "ü" * 513)
    move = opened(fits, long, rules=rules)

    assert [row.state for row in move.changes.opened] == [CallState.PENDING, CallState.SETTLED]
    refused = move.changes.opened[1]
    assert (refused.arguments, refused.kind, refused.tool_call_id) == ("", "invalid_arguments", "c2")
    assert "longer than 1024 bytes" in json.loads(refused.output)["error"]["message"]
    assert [call.index for call in move.changes.sent] == [0]


def test_a_made_up_name_without_end_is_cut_and_stands_for_no_tool():
    (row,) = opened(("c1", "add" + "x" * 100_000, "{}")).changes.opened

    assert (len(row.tool), row.kind) == (64, "missing_tool")


def test_a_new_round_forgets_the_refusals_and_the_submit_of_the_last():
    progress = Progress(created_seen_ms=NOW, signature=SIGNATURE, submitted_ms=NOW - 1, refusals=2)
    after = opened(LOOK, progress=progress, round=1).changes.progress

    assert (after.submitted_ms, after.refusals, after.looked_ms) == (0, 0, NOW)
    assert after.signature != SIGNATURE
