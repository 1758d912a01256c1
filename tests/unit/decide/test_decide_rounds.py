"""A required action becomes a round of calls in the ledger."""

from __future__ import annotations

import json
from dataclasses import replace

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


def opened(*calls, progress: Progress | None = None, rules=RULES, **fields: object) -> Move:
    asks = shown(
        "requires_action", *calls, **{k: fields.pop(k) for k in ("created_at", "expires_at") if k in fields}
    )
    run = a_run(Stage.POLL, progress or Progress(created_seen_ms=NOW), status="requires_action", **fields)
    return moved(decide(run, RunSeen(yes(asks), TOOLS), rules=rules))


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


def test_a_served_tool_that_this_run_may_not_call_is_missing_to_it():
    move = opened(ADD, LOOK, tool_names="look")

    assert [row.kind for row in move.changes.opened] == ["missing_tool", ""]


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


def test_a_new_round_forgets_the_refusals_and_the_submit_of_the_last():
    progress = Progress(created_seen_ms=NOW, signature=SIGNATURE, submitted_ms=NOW - 1, refusals=2)
    after = opened(LOOK, progress=progress, round=1).changes.progress

    assert (after.submitted_ms, after.refusals, after.looked_ms) == (0, 0, NOW)
    assert after.signature != SIGNATURE
