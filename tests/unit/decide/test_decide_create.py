"""From nothing to a run id, and never to two runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.decide.views import (
    ADD,
    ANSWER,
    NOW,
    RULES,
    a_run,
    decide,
    intent,
    moved,
    names,
    no,
    posted,
    shown,
    unknown,
    yes,
)
from threadrun.models import Run
from threadrun.status import Outcome, Stage
from worker.decide.decision import Ask, Post, Question, Rest, ThreadMove
from worker.decide.seen import CreateAnswered, NewestSeen, RunsSearched, ThreadAnswered
from worker.providers.base import Refusal, Reply
from worker.view import Effect, Intent, Progress, RunView

SENDING = Intent(Effect.CREATE_RUN, NOW - 1_000, NOW + 14_000)
OVER = intent(Effect.CREATE_RUN)


def creating(progress: Progress | None = None, **fields: object) -> RunView:
    return a_run(Stage.CREATE, progress, **fields)


def created(reply: Reply[Run], run: RunView | None = None):
    return decide(run or creating(Progress(intent=SENDING, attempts=1)), CreateAnswered(reply))


def searched(reply, progress: Progress | None = None, **fields: object):
    return decide(creating(progress or Progress(intent=OVER, attempts=1), **fields), RunsSearched(reply))


# The thread.


def test_a_run_without_a_thread_gets_one_first():
    assert posted(decide(creating(thread_id=None))).effect is Effect.CREATE_THREAD


def test_the_new_thread_is_a_fact_taken_by_the_run_whose_create_follows_at_once():
    post = posted(decide(creating(thread_id=None), ThreadAnswered(yes("thread_9"))))

    assert post.effect is Effect.CREATE_RUN
    assert post.changes.facts == {"thread_id": "thread_9"}
    assert names(post.changes.fact_events) == ["thread.created"]
    assert post.changes.thread is ThreadMove.TAKE


def test_a_thread_that_came_after_the_deadline_is_kept_but_no_run_is_made_on_it():
    move = moved(decide(creating(thread_id=None, deadline_ms=NOW), ThreadAnswered(yes("thread_9"))))

    assert (move.stage, move.changes.facts) == (Stage.CREATE, {"thread_id": "thread_9"})
    assert moved(decide(creating(deadline_ms=NOW))).changes.progress.ending is Outcome.TIMED_OUT


@pytest.mark.parametrize("refusal", [Refusal.INVALID, Refusal.NOT_FOUND])
def test_a_refused_thread_rejects_the_run(refusal):
    move = moved(decide(creating(thread_id=None), ThreadAnswered(no(refusal))))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.REJECTED)


def test_a_thread_of_unknown_outcome_is_posted_again_because_an_empty_one_harms_nobody():
    sending = Intent(Effect.CREATE_THREAD, NOW - 1_000, NOW + 14_000)
    move = moved(decide(creating(Progress(intent=sending), thread_id=None), ThreadAnswered(unknown())))

    assert (move.stage, move.changes.progress.intent) == (Stage.CREATE, None)
    assert posted(decide(creating(move.changes.progress, thread_id=None))).effect is Effect.CREATE_THREAD


# The run.


def test_a_run_with_a_thread_is_posted_and_its_attempt_counted():
    post = posted(decide(creating()))

    assert (post.effect, post.changes.progress.attempts) == (Effect.CREATE_RUN, 1)
    assert [event.data for event in post.changes.events] == [{"attempt": 1}]


def test_the_run_id_is_a_fact_and_the_run_is_polled():
    move = moved(created(yes(shown("queued"))))

    assert move.stage is Stage.POLL
    assert move.changes.facts == {"run_id": "run_1"}
    assert names(move.changes.fact_events) == ["run.created"]
    assert move.changes.progress.intent is None


def test_a_run_that_has_already_ended_when_it_is_created_goes_to_finalize():
    move = moved(created(yes(shown("completed"))))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.COMPLETED)
    assert move.changes.facts == {"run_id": "run_1"}


def test_a_run_that_already_asks_for_tools_is_looked_at_at_once_with_the_catalogue():
    """Answered by what was not read, its calls would all be told that their tool is missing."""
    move = moved(created(yes(shown("requires_action", ADD))))

    assert (move.stage, move.delay_ms, move.changes.opened) == (Stage.POLL, 0, ())
    assert move.changes.facts == {"run_id": "run_1"}


@pytest.mark.parametrize("refusal", [Refusal.INVALID, Refusal.NOT_FOUND, Refusal.WRONG_STATUS])
def test_a_refused_create_rejects_the_run_and_frees_the_thread(refusal):
    move = moved(created(no(refusal)))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.REJECTED)
    assert move.changes.thread is ThreadMove.FREE
    assert move.changes.answer is not None


def test_a_refusal_is_told_by_what_it_said_and_not_by_what_held_the_run_before():
    held = Progress(held="unauthorized", errors=3)
    thread = moved(decide(creating(held, thread_id=None), ThreadAnswered(no(Refusal.INVALID))))
    run = moved(decide(creating(held), CreateAnswered(no(Refusal.NOT_FOUND))))

    assert [move.changes.progress.reason for move in (thread, run)] == ["invalid", "not_found"]


def test_a_wrong_address_holds_a_run_and_ends_none():
    thread = moved(decide(creating(thread_id=None), ThreadAnswered(no(Refusal.NO_ROUTE))))
    run = moved(created(no(Refusal.NO_ROUTE)))

    for move in (thread, run):
        assert (move.stage, move.delay_ms, move.changes.progress.held) == (Stage.CREATE, 30_000, "no_route")


@pytest.mark.parametrize("refusal", [Refusal.NEVER_SENT, Refusal.RATE_LIMITED, Refusal.UNAUTHORIZED])
def test_a_create_that_had_no_effect_is_sent_again_later(refusal):
    move = moved(created(no(refusal)))

    assert (move.stage, move.changes.progress.intent) == (Stage.CREATE, None)
    assert move.delay_ms > 0
    assert posted(decide(creating(move.changes.progress))).effect is Effect.CREATE_RUN


def test_a_refused_key_holds_the_run_and_says_so_once():
    first = moved(created(no(Refusal.UNAUTHORIZED)))
    again = moved(created(no(Refusal.UNAUTHORIZED), creating(first.changes.progress)))

    assert first.delay_ms == again.delay_ms == RULES.hold_ms
    assert first.changes.progress.held == "unauthorized"
    assert (names(first.changes.events), names(again.changes.events)) == (["run.held"], [])


def test_a_rate_limit_is_waited_out():
    assert moved(created(no(Refusal.RATE_LIMITED, retry_after_seconds=42))).delay_ms == 42_000


# Unknown outcomes.


def test_after_an_unknown_outcome_the_thread_is_searched_after_1_2_4_8_seconds_and_only_then_posted_again():
    move = moved(created(unknown("connection_lost")))
    now, waited = NOW, [move.delay_ms]
    assert names(move.changes.events) == ["run.create_unknown"]
    for _ in range(3):
        now += waited[-1]
        run = creating(move.changes.progress)
        assert decide(run, now=now) == Ask(Question.SEARCH)
        move = moved(decide(run, RunsSearched(yes(())), now))
        waited.append(move.delay_ms)
    now += waited[-1]
    post = posted(decide(creating(move.changes.progress), RunsSearched(yes(())), now))

    assert waited == [1_000, 2_000, 4_000, 8_000]
    assert (post.effect, post.changes.progress.attempts) == (Effect.CREATE_RUN, 2)


def test_an_intent_that_may_still_take_effect_is_waited_out_and_nothing_is_sent():
    assert decide(creating(Progress(intent=SENDING))) == Rest(14_000)


def test_an_intent_left_by_a_dead_holder_is_searched_for_when_its_time_is_over():
    assert decide(creating(Progress(intent=OVER))) == Ask(Question.SEARCH)


def test_a_run_found_by_its_key_is_adopted():
    move = moved(searched(yes((shown("in_progress"),))))

    assert (move.stage, move.changes.facts) == (Stage.POLL, {"run_id": "run_1"})
    assert names(move.changes.fact_events) == ["run.adopted"]


def test_an_adopted_run_that_asks_for_tools_is_looked_at_again_before_its_calls_are_answered():
    move = moved(searched(yes((shown("requires_action", ADD),))))

    assert (move.stage, move.delay_ms, move.changes.opened) == (Stage.POLL, 0, ())


def test_the_expiry_of_an_adopted_run_counts_from_the_earliest_time_it_can_have_been_made():
    found = shown("in_progress", created_at=5_000, expires_at=5_600)
    move = moved(searched(yes((found,))))

    assert move.changes.progress.expires_ms == OVER.sent_ms + 600_000


def test_several_that_cannot_be_told_apart_make_it_lost_and_are_never_added_to():
    two = (shown("queued"), Run.from_wire({"id": "run_2", "status": "queued"}))
    move = moved(searched(yes(two)))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)


def test_a_thread_that_is_gone_after_an_unknown_create_makes_it_lost():
    assert moved(searched(no(Refusal.NOT_FOUND))).changes.progress.ending is Outcome.LOST


@pytest.mark.parametrize(
    "reply", [unknown("server_error"), no(Refusal.RATE_LIMITED), no(Refusal.UNAUTHORIZED)]
)
def test_a_search_that_fails_is_repeated_and_the_intent_kept(reply):
    move = moved(searched(reply))

    assert (move.stage, move.changes.progress.intent) == (Stage.CREATE, OVER)
    assert decide(creating(move.changes.progress)) == Ask(Question.SEARCH)


def test_a_run_that_cannot_be_searched_for_long_after_its_deadline_is_lost_and_unconfirmed():
    move = moved(searched(unknown(), deadline_ms=NOW - RULES.cancel_deadline_ms))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)
    assert move.changes.progress.unconfirmed


# Cancel and deadline.


def test_a_cancel_before_anything_was_sent_ends_it():
    move = moved(decide(creating(cancel_ms=NOW)))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.CANCELLED)


@pytest.mark.parametrize("wish", [{"cancel_ms": NOW - 1}, {"deadline_ms": NOW - 1}])
def test_a_cancel_or_deadline_waits_for_the_outcome_of_a_create(wish):
    assert decide(creating(Progress(intent=SENDING), **wish)) == Rest(14_000)
    assert decide(creating(Progress(intent=OVER), **wish)) == Ask(Question.SEARCH)


@pytest.mark.parametrize(
    ("wish", "ending"),
    [({"cancel_ms": NOW - 1}, Outcome.CANCELLED), ({"deadline_ms": NOW - 1}, Outcome.TIMED_OUT)],
)
def test_a_cancelled_run_that_was_never_made_is_not_posted_again(wish, ending):
    move = moved(searched(yes(()), Progress(intent=OVER, looks=3), **wish))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, ending)


def test_a_run_found_after_a_cancel_wish_is_taken_over_so_that_it_can_be_cancelled():
    move = moved(searched(yes((shown("in_progress"),)), cancel_ms=NOW - 1))

    assert move.stage is Stage.POLL
    assert moved(decide(a_run(Stage.POLL, cancel_ms=NOW - 1))).stage is Stage.CANCEL


# A fact that a late holder left, a disturbed Redis, a busy thread.


def test_a_run_id_left_by_a_holder_that_came_too_late_is_used():
    move = moved(decide(creating(Progress(intent=SENDING), run_id="run_1")))

    assert (move.stage, move.changes.progress.intent) == (Stage.POLL, None)
    assert move.changes.progress.created_seen_ms == SENDING.sent_ms


def test_after_a_disturbance_of_redis_the_thread_is_searched_before_the_first_post():
    assert decide(creating(search_first=True)) == Ask(Question.SEARCH)
    assert posted(decide(creating(search_first=True), RunsSearched(yes(())))).effect is Effect.CREATE_RUN
    assert posted(decide(creating(search_first=True, thread_id=None))).effect is Effect.CREATE_THREAD


def test_a_search_before_the_first_post_does_not_make_a_missing_thread_lost():
    decision = decide(creating(search_first=True), RunsSearched(no(Refusal.NOT_FOUND)))

    assert posted(decision).effect is Effect.CREATE_RUN  # which is refused, and so the run is rejected


def test_a_thread_that_another_run_holds_is_tried_again_soon_and_the_run_shows_why():
    move = moved(created(no(Refusal.BUSY_THREAD)))

    assert (move.stage, move.delay_ms, move.changes.progress.held) == (Stage.CREATE, 3_000, "busy_thread")


def test_a_busy_thread_is_searched_for_our_own_run_before_the_next_post():
    """An earlier create whose outcome was unknown may be the run that holds the thread."""
    held = moved(created(no(Refusal.BUSY_THREAD))).changes.progress

    assert decide(creating(held)) == Ask(Question.SEARCH)
    assert moved(decide(creating(held), RunsSearched(yes((shown("queued"),))))).changes.facts == {
        "run_id": "run_1"
    }
    post = posted(decide(creating(held), RunsSearched(yes(()))))
    assert (post.effect, post.changes.progress.held) == (Effect.CREATE_RUN, "busy_thread")


def test_a_failed_search_on_a_busy_thread_is_no_leave_to_post():
    held = moved(created(no(Refusal.BUSY_THREAD))).changes.progress
    after = moved(decide(creating(held), RunsSearched(unknown()))).changes.progress

    assert decide(creating(after)) == Ask(Question.SEARCH)


def test_a_busy_thread_is_left_at_the_deadline():
    held = moved(created(no(Refusal.BUSY_THREAD))).changes.progress

    assert moved(decide(creating(held, deadline_ms=NOW))).changes.progress.ending is Outcome.TIMED_OUT


def test_every_wait_in_create_ends_at_the_deadline():
    run = creating(Progress(intent=SENDING, attempts=1), deadline_ms=NOW + 300)

    assert moved(created(no(Refusal.UNAUTHORIZED), run)).delay_ms == 300
    assert decide(run) == Rest(300)


def test_the_answer_is_kept_for_the_record():
    assert moved(created(yes(shown("queued")))).changes.answer is ANSWER
    assert not isinstance(created(unknown()), Post)


# Where metadata does not come back.

SILENT = {"metadata_echoed": False}


def test_before_a_post_the_thread_s_newest_run_is_noted_because_only_the_order_will_tell_ours():
    asked = decide(a_run(Stage.CREATE, **SILENT))
    assert asked == Ask(Question.NEWEST)

    sent = posted(decide(a_run(Stage.CREATE, **SILENT), NewestSeen(yes("run_0"))))
    assert (sent.effect, sent.changes.progress.newest_before) == (Effect.CREATE_RUN, "run_0")


def test_a_thread_made_for_the_run_has_no_newest_run_to_note():
    assert posted(decide(a_run(Stage.CREATE, own_thread=True, **SILENT))).effect is Effect.CREATE_RUN
    assert posted(decide(a_run(Stage.CREATE, thread_id=None, **SILENT))).effect is Effect.CREATE_THREAD


def test_a_missing_thread_is_left_to_the_create_to_be_told():
    sent = posted(decide(a_run(Stage.CREATE, **SILENT), NewestSeen(no(Refusal.NOT_FOUND))))
    assert (sent.effect, sent.changes.progress.newest_before) == (Effect.CREATE_RUN, None)


def test_nothing_is_posted_while_the_newest_run_cannot_be_read():
    move = moved(decide(a_run(Stage.CREATE, **SILENT), NewestSeen(unknown())))
    assert (move.stage, move.changes.progress.errors) == (Stage.CREATE, 1)


def test_a_create_of_unknown_outcome_that_cannot_be_found_is_lost_and_never_posted_again():
    run = a_run(Stage.CREATE, Progress(intent=intent(Effect.CREATE_RUN), newest_before=""), **SILENT)
    delays = []
    for _ in range(3):
        move = moved(decide(run, RunsSearched(yes(()))))
        delays.append(move.delay_ms)
        run = replace(run, progress=move.changes.progress)

    last = moved(decide(run, RunsSearched(yes(()))))

    assert delays == [2_000, 4_000, 8_000]
    assert (last.stage, last.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)
