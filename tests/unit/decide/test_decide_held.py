"""A request that gets no permit: the run rests within its deadlines, and keeps what it has learnt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.decide.test_decide_totality import QUICK, observations, rules, views
from tests.unit.decide.views import NOW, RULES, a_run, call, decide, intent, moved, names, posted, yes
from threadrun.status import Outcome, Stage
from worker.decide import hold
from worker.decide.decision import Ask, Finish, Move, Post, Question, Rest, ThreadMove
from worker.decide.seen import Gathered, ThreadAnswered
from worker.view import Effect, Progress

WAIT_MS = 7_000


def held(run, decision, wait_ms=WAIT_MS, now=NOW):
    return hold(run, decision, wait_ms, now, RULES)


@QUICK
@given(views, observations, rules, st.integers(1, 70_000))
def test_whatever_is_held_ends_the_advance_within_the_stages_deadline(run, seen, by, wait_ms):
    decision = decide(run, seen, NOW, by)
    if not isinstance(decision, Ask | Post):
        return
    rest = hold(run, decision, wait_ms, NOW, by)

    assert isinstance(rest, Move | Rest)
    assert rest.delay_ms >= 0
    if run.stage in {Stage.CREATE, Stage.POLL, Stage.SUBMIT} and run.deadline_ms > NOW:
        assert rest.delay_ms <= run.deadline_ms - NOW
    if isinstance(rest, Move) and rest.stage is run.stage:
        assert rest.changes.progress.errors <= run.progress.errors


@pytest.mark.parametrize("stage", [Stage.POLL, Stage.SUBMIT, Stage.CANCEL])
def test_a_read_or_a_post_that_is_held_writes_nothing(stage):
    run = a_run(stage, Progress(cancel_since_ms=NOW, ending=Outcome.CANCELLED))
    assert held(run, decide(run)) == Rest(WAIT_MS)


def test_no_one_rests_past_the_deadline_of_its_stage():
    late = a_run(Stage.POLL, deadline_ms=NOW + 2_000)
    assert held(late, decide(late)) == Rest(2_000)


def test_a_thread_that_was_just_made_is_kept_and_nothing_is_said_to_be_sent():
    run = a_run(Stage.CREATE, Progress(intent=intent(Effect.CREATE_THREAD)), thread_id=None)
    post = posted(decide(run, ThreadAnswered(yes("thread_9"))))
    move = moved(held(run, post))

    assert (move.stage, move.delay_ms) == (Stage.CREATE, WAIT_MS)
    assert (move.changes.facts, move.changes.thread) == ({"thread_id": "thread_9"}, ThreadMove.TAKE)
    assert (move.changes.progress.intent, move.changes.progress.attempts) == (None, 0)
    assert names(move.changes.events) == []
    assert names(post.changes.events) == ["run.create_sent"]


def test_a_create_of_unknown_outcome_stays_unknown():
    run = a_run(Stage.CREATE, Progress(intent=intent(Effect.CREATE_RUN)))
    assert held(run, decide(run)) == Rest(WAIT_MS)


def test_a_search_that_is_held_long_after_the_end_of_its_run_is_given_up():
    over = NOW - RULES.cancel_deadline_ms
    late = a_run(Stage.CREATE, Progress(intent=intent(Effect.CREATE_RUN)), deadline_ms=over + 500)
    assert held(late, decide(late)) == Rest(500)

    gone = a_run(Stage.CREATE, Progress(intent=intent(Effect.CREATE_RUN)), deadline_ms=over)
    move = moved(held(gone, decide(gone)))
    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.LOST)
    assert move.changes.progress.unconfirmed


def test_tool_calls_are_sent_though_the_run_cannot_be_read():
    run = a_run(Stage.TOOLS, Progress(looked_ms=NOW - 60_000), round=1, calls=(call(sends=0),))
    assert decide(run) == Ask(Question.RUN)
    move = moved(held(run, decide(run)))

    assert [sent.index for sent in move.changes.sent] == [0]
    assert 0 < move.delay_ms <= RULES.tools_look_ms


def test_a_record_that_may_not_be_read_yet_waits_until_its_own_deadline_and_then_says_what_is_missing():
    unread = Gathered(("steps", "messages"), run_usage=False, any_usage=False, held_ms=WAIT_MS)
    ended = NOW - RULES.finalize_deadline_ms
    early = a_run(Stage.FINALIZE, Progress(ending=Outcome.COMPLETED, ended_ms=ended + 500))
    late = a_run(Stage.FINALIZE, Progress(ending=Outcome.COMPLETED, ended_ms=ended))

    assert decide(early, unread) == Rest(500)
    assert decide(late, unread) == Finish(Outcome.COMPLETED, ("steps", "messages", "usage"))
