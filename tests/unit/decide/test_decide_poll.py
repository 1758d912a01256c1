"""A run that works at the provider."""

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
    decide,
    moved,
    names,
    no,
    shown,
    step,
    unknown,
    yes,
)
from threadrun.models import Run
from threadrun.status import Outcome, Stage
from worker.backoff import Gentle
from worker.decide.calls import fingerprint
from worker.decide.decision import Ask, Move, Question, Rest, ThreadMove
from worker.decide.rules import Rules
from worker.decide.seen import RunSeen, StepsSeen
from worker.providers.base import Refusal
from worker.view import Progress, RunView

STEADY = Progress(created_seen_ms=NOW - 4_000)


def polled(value: Run, progress: Progress = STEADY, poll_after: float | None = None, **fields: object):
    run = a_run(Stage.POLL, progress, **fields)
    return decide(run, RunSeen(yes(value, poll_after), TOOLS))


def failed(reply, progress: Progress = STEADY, now: int = NOW):
    return decide(a_run(Stage.POLL, progress), RunSeen(reply), now)


def test_the_run_is_read():
    assert decide(a_run(Stage.POLL)) == Ask(Question.RUN)


def test_an_unchanged_poll_writes_nothing():
    assert polled(shown("in_progress")) == Rest(1_000)


def test_a_change_of_status_is_written_with_its_event():
    move = moved(polled(shown("in_progress"), status="queued"))

    assert (move.stage, names(move.changes.events)) == (Stage.POLL, ["run.status_changed"])
    assert dict(move.changes.events[0].data) == {"from": "queued", "to": "in_progress"}


def test_the_providers_hint_is_a_floor_and_not_a_ceiling():
    assert polled(shown("in_progress"), poll_after=7.5) == Rest(7_500)
    assert polled(shown("in_progress"), poll_after=0.1) == Rest(1_000)


def test_the_interval_grows_with_the_age_of_the_spell_of_work_and_is_capped():
    rules = Rules(poll=Gentle(first_ms=250, jitter=0))

    def delay(created: int, submitted: int = 0) -> int:
        progress = Progress(created_seen_ms=NOW - created, submitted_ms=NOW - submitted if submitted else 0)
        decision = decide(a_run(Stage.POLL, progress), RunSeen(yes(shown("in_progress"))), rules=rules)
        assert isinstance(decision, Rest)
        return decision.delay_ms

    assert [delay(100), delay(10_000), delay(500_000)] == [250, 1_000, 5_000]
    assert delay(500_000, submitted=10_000) == 1_000


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled", "expired"])
def test_a_terminal_status_ends_the_run_and_frees_its_thread(status):
    move = moved(polled(shown(status), status="queued"))

    assert (move.stage, move.delay_ms, move.changes.progress.ending) == (Stage.FINALIZE, 0, Outcome(status))
    assert move.changes.thread is ThreadMove.FREE
    assert names(move.changes.events) == ["run.status_changed", "run.ended"]


def test_any_jump_forward_is_legal():
    move = moved(polled(shown("requires_action", ADD), status="queued"))

    assert move.stage is Stage.TOOLS
    assert names(move.changes.events) == ["run.status_changed", "run.requires_action"]


def test_an_unknown_status_is_watched_and_told_once():
    first = moved(polled(shown("pondering")))

    assert (first.stage, names(first.changes.events)) == (Stage.POLL, ["run.status_unknown"])
    assert polled(shown("pondering"), first.changes.progress) == Rest(1_000)


def test_a_run_that_shows_an_unknown_status_is_not_missing():
    missing = Progress(created_seen_ms=1, strange_status="pondering", missing_since_ms=NOW - 50_000, errors=4)

    assert moved(polled(shown("pondering"), missing)).changes.progress.missing_since_ms == 0


@pytest.mark.parametrize(
    "refusal", [Refusal.INVALID, Refusal.RATE_LIMITED, Refusal.NEVER_SENT, Refusal.WRONG_STATUS]
)
def test_an_error_never_fails_a_run_however_often_it_comes(refusal):
    progress, delays = STEADY, []
    for _ in range(12):
        move = moved(failed(no(refusal), progress))
        assert move.stage is Stage.POLL
        progress, delays = move.changes.progress, [*delays, move.delay_ms]

    assert 400 <= delays[0] <= 600
    assert 24_000 <= delays[-1] <= 36_000
    assert moved(polled(shown("in_progress"), progress)).changes.progress.errors == 0


def test_an_error_waits_as_long_as_the_provider_asks():
    assert moved(failed(unknown("server_error", retry_after_seconds=33))).delay_ms == 33_000


def test_a_refused_key_holds_the_run_until_it_is_mended():
    move = moved(failed(no(Refusal.UNAUTHORIZED)))

    assert (move.stage, move.delay_ms, move.changes.progress.held) == (Stage.POLL, 30_000, "unauthorized")
    mended = moved(polled(shown("in_progress"), move.changes.progress))
    assert mended.changes.progress.held == ""


def test_a_run_that_answers_404_for_a_minute_is_lost_and_not_before():
    first = moved(failed(no(Refusal.NOT_FOUND)))
    early = moved(failed(no(Refusal.NOT_FOUND), first.changes.progress, NOW + 59_999))
    late = moved(failed(no(Refusal.NOT_FOUND), early.changes.progress, NOW + 60_000))

    assert (first.stage, early.stage) == (Stage.POLL, Stage.POLL)
    assert (late.stage, late.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)


def test_a_run_that_is_looked_for_at_a_wrong_address_is_held_and_not_lost():
    first = moved(failed(no(Refusal.NO_ROUTE)))
    late = moved(failed(no(Refusal.NO_ROUTE), first.changes.progress, NOW + 600_000))

    assert (first.stage, late.stage) == (Stage.POLL, Stage.POLL)
    assert late.changes.progress.held == "no_route"


def test_a_run_that_is_seen_again_starts_its_minute_anew():
    missing = moved(failed(no(Refusal.NOT_FOUND))).changes.progress
    seen = moved(polled(shown("in_progress"), missing)).changes.progress

    assert moved(failed(no(Refusal.NOT_FOUND), seen, NOW + 70_000)).stage is Stage.POLL


@pytest.mark.parametrize(
    ("wish", "ending", "reason"),
    [
        ({"cancel_ms": NOW - 1}, Outcome.CANCELLED, "cancel_requested"),
        ({"deadline_ms": NOW}, Outcome.TIMED_OUT, "deadline_passed"),
    ],
)
def test_a_cancel_wish_or_the_deadline_sends_it_to_cancel(wish, ending, reason):
    move = moved(decide(a_run(Stage.POLL, **wish)))

    assert (move.stage, move.delay_ms, move.changes.progress.ending) == (Stage.CANCEL, 0, ending)
    assert move.changes.progress.cancel_since_ms == NOW
    assert dict(move.changes.events[0].data) == {"reason": reason}


def test_no_wait_reaches_beyond_the_deadline():
    assert polled(shown("in_progress"), deadline_ms=NOW + 400) == Rest(400)
    assert polled(shown("in_progress"), poll_after=300, deadline_ms=NOW + 400) == Rest(400)


@pytest.mark.parametrize(
    "times",
    [
        {"created_at": 10**400, "expires_at": 1.5},
        {"created_at": 9, "expires_at": 8},
        {"created_at": None, "expires_at": 8},
    ],
)
def test_times_that_cannot_be_are_taken_as_no_expiry(times):
    move = moved(polled(shown("requires_action", ADD).model_copy(update=times)))

    assert move.changes.progress.expires_ms == 0
    assert move.changes.tools_until_ms == a_run(Stage.POLL).deadline_ms


def test_only_the_difference_of_the_providers_times_is_used_counted_from_our_first_sight():
    asks = shown("requires_action", ADD, created_at=99.5, expires_at=699.5)
    move = moved(polled(asks, Progress(created_seen_ms=NOW - 100_000)))

    assert move.changes.progress.expires_ms == NOW + 500_000


# After a submit.


def after_submit(ms: int, **more: object) -> Progress:
    return Progress(created_seen_ms=NOW - 60_000, signature=SIGNATURE, submitted_ms=NOW - ms, **more)


def test_the_same_calls_within_ten_seconds_of_a_submit_are_an_old_read_and_no_news():
    assert polled(ASKS, after_submit(9_999), status="queued", round=1, total_calls=1) == Rest(1_000)


def test_the_same_calls_later_than_that_are_decided_by_the_steps():
    assert polled(ASKS, after_submit(10_000), round=1, total_calls=1) == Ask(Question.STEPS)


def stepped(*steps: object, total_calls: int = 1):
    run = a_run(Stage.POLL, after_submit(10_000), round=1, total_calls=total_calls, status="queued")
    return decide(run, StepsSeen(yes(tuple(steps))))


def test_a_step_without_output_sends_the_outputs_again():
    move = moved(stepped(step(None)))

    assert (move.stage, move.changes.progress.submitted_ms) == (Stage.SUBMIT, 0)
    assert names(move.changes.events) == ["tool_outputs.wanted_again"]


def test_steps_that_have_the_outputs_mean_waiting_on():
    assert isinstance(stepped(step("3")), Rest)


@pytest.mark.parametrize("steps", [(), (step(""),), (step("", status="completed"),)])
def test_where_the_steps_never_show_that_an_output_is_wanted_the_same_outputs_are_sent_again(steps):
    move = moved(stepped(*steps))

    assert (move.stage, move.changes.progress.repeats) == (Stage.SUBMIT, 1)


def test_they_are_sent_again_ever_later_and_a_few_times_only():
    waited = []
    for repeats in range(4):
        for seconds in (10, 20, 40, 80, 160):
            progress = replace(after_submit(seconds * 1000), repeats=repeats)
            run = a_run(Stage.POLL, progress, round=1, total_calls=1)
            if isinstance(decide(run, StepsSeen(yes(()))), Move):
                waited.append(seconds)
                break

    assert waited == [10, 20, 40]


def test_calls_that_may_be_new_are_never_answered_with_old_outputs():
    assert isinstance(stepped(step("3", status="completed"), step("")), Rest)


def test_steps_that_cannot_be_read_are_read_again():
    run = a_run(Stage.POLL, after_submit(10_000))

    assert moved(decide(run, StepsSeen(unknown()))).stage is Stage.POLL


def test_a_new_round_that_looks_exactly_like_the_last_one_is_opened_and_not_answered_with_old_outputs():
    """Some servers repeat their ids; a model may ask for the same thing twice."""
    move = moved(stepped(step("3", status="completed"), step(None)))
    assert (move.stage, move.delay_ms) == (Stage.POLL, 0)

    run = a_run(Stage.POLL, move.changes.progress, round=1, total_calls=1)
    opened = moved(decide(run, RunSeen(yes(ASKS), TOOLS)))
    assert (opened.stage, len(opened.changes.opened)) == (Stage.TOOLS, 1)


def test_outputs_of_which_some_were_taken_leave_the_rest_to_be_sent_again():
    other = ("call_2", "look", "{}")
    both, rest = shown("requires_action", ADD, other), shown("requires_action", other)
    young, old = (replace(after_submit(ms), signature=fingerprint(both)) for ms in (9_999, 10_000))

    assert isinstance(polled(rest, young, round=1, status="requires_action"), Rest)
    move = moved(polled(rest, old, round=1, status="requires_action"))
    assert (move.stage, move.changes.opened, move.changes.progress.wanted) == (Stage.POLL, (), (1,))
    assert polled(rest, move.changes.progress, round=1, status="requires_action") == Ask(Question.STEPS)


def test_a_new_round_is_opened_at_once_while_ids_repeat_if_anything_else_differs():
    again = shown("requires_action", ("call_1", "add", '{"a":2}'))
    move = moved(polled(again, after_submit(100), round=1))

    assert (move.stage, len(move.changes.opened)) == (Stage.TOOLS, 1)
    assert move.changes.progress.submitted_ms == 0


def test_calls_that_were_withdrawn_and_are_asked_for_again_are_the_same_round():
    """Some of them may have been begun: in a new round their handlers would be entered a second time."""
    left = Progress(created_seen_ms=NOW - 60_000, signature=SIGNATURE, left_ms=NOW - 30_000)
    move = moved(polled(ASKS, left, round=1, total_calls=1))

    assert (move.stage, move.delay_ms, move.changes.opened) == (Stage.TOOLS, 0, ())
    assert (move.changes.progress.looked_ms, move.changes.progress.left_ms) == (NOW, 0)


def test_calls_with_empty_ids_are_told_apart_by_their_place():
    asks = shown("requires_action", ("", "add", '{"a":1}'), ("", "add", '{"a":1}'))
    move = moved(polled(asks, STEADY))

    assert [(row.index, row.tool_call_id) for row in move.changes.opened] == [(0, ""), (1, "")]


def test_a_required_action_that_asks_nothing_of_us_is_watched():
    approval = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [{"id": "a", "type": "mcp", "name": "x", "arguments": "{}"}]},
    }
    for asks in (
        shown("requires_action"),
        shown("requires_action", required_action={}),
        shown("requires_action", required_action=approval),
        shown("requires_action", {"id": "c", "type": "azure_function", "function": {"name": "f"}}),
    ):
        assert polled(asks, status="requires_action") == Rest(1_000)


def test_a_first_look_without_a_catalogue_opens_nothing():
    run: RunView = a_run(Stage.POLL, STEADY)
    move = moved(decide(run, RunSeen(yes(ASKS))))

    assert (move.stage, move.delay_ms, move.changes.opened) == (Stage.POLL, 0, ())


def test_the_rules_used_here_are_the_defaults():
    assert (RULES.missing_grace_ms, RULES.stale_read_ms) == (60_000, 10_000)
