"""All outputs of a round go to the provider in one request, until it has them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

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
    intent,
    moved,
    names,
    no,
    posted,
    shown,
    step,
    unknown,
    yes,
)
from threadrun.status import CallState, Outcome, Stage
from worker.decide.calls import fingerprint
from worker.decide.decision import Ask, Move, Question, Rest
from worker.decide.seen import OutputsAnswered, RunSeen, StepsSeen
from worker.providers.base import Refusal
from worker.view import Effect, Intent, Progress, RunView

SENDING = Intent(Effect.SUBMIT_OUTPUTS, NOW - 1_000, NOW + 14_000)
OVER = intent(Effect.SUBMIT_OUTPUTS)


def submitting(open_intent: Intent | None = None, **more: object) -> RunView:
    refusals = more.pop("refusals", 0)
    progress = Progress(
        intent=open_intent, created_seen_ms=NOW - 60_000, signature=SIGNATURE, refusals=refusals
    )
    fields = {
        "status": "requires_action",
        "round": 1,
        "total_calls": 1,
        "calls": (call(state=CallState.SETTLED),),
    }
    return a_run(Stage.SUBMIT, progress, **{**fields, **more})


def answered(reply, **more: object):
    return decide(submitting(SENDING, **more), OutputsAnswered(reply))


def reread(run: RunView, seen, now: int = NOW):
    return decide(run, RunSeen(yes(seen), TOOLS), now)


def test_the_outputs_are_posted():
    post = posted(decide(submitting()))

    assert (post.effect, names(post.changes.events)) == (Effect.SUBMIT_OUTPUTS, ["tool_outputs.sent"])


def test_an_accepted_submit_is_a_fact_and_the_run_is_polled():
    move = moved(answered(yes(shown("queued"))))

    assert (move.stage, move.changes.facts, move.changes.submitted) == (
        Stage.POLL,
        {"submitted:1": "run_1"},
        (0,),
    )
    assert names(move.changes.fact_events) == ["tool_outputs.submitted"]
    assert (move.changes.progress.submitted_ms, move.changes.progress.intent) == (NOW, None)


def test_an_accepting_answer_that_still_shows_the_old_action_is_an_old_picture():
    move = moved(answered(yes(ASKS)))

    assert (move.stage, move.changes.opened, move.changes.run) == (Stage.POLL, (), None)
    assert move.changes.submitted == (0,)


def test_an_accepting_answer_that_asks_for_the_next_round_leaves_it_to_a_look_with_the_catalogue():
    """Opened from this answer, every call of it would be told that its tool is missing."""
    move = moved(answered(yes(shown("requires_action", ("call_2", "look", "{}")))))

    assert (move.stage, move.delay_ms, move.changes.opened) == (Stage.POLL, 0, ())
    assert move.changes.submitted == (0,)


def test_an_accepting_answer_that_is_terminal_ends_the_run():
    move = moved(answered(yes(shown("completed"))))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, Outcome.COMPLETED)
    assert move.changes.submitted == (0,)


@pytest.mark.parametrize("refusal", [Refusal.NEVER_SENT, Refusal.RATE_LIMITED, Refusal.UNAUTHORIZED])
def test_outputs_that_did_not_arrive_are_sent_again_later(refusal):
    move = moved(answered(no(refusal)))

    assert (move.stage, move.changes.progress.intent) == (Stage.SUBMIT, None)
    assert posted(decide(submitting())).effect is Effect.SUBMIT_OUTPUTS


# Unknown and refused: the run itself tells.


@pytest.mark.parametrize(
    ("reply", "event"),
    [
        (unknown("timeout"), "tool_outputs.unknown"),
        (no(Refusal.WRONG_STATUS), "tool_outputs.refused"),
        (no(Refusal.NOT_FOUND), "tool_outputs.refused"),
        (no(Refusal.INVALID), "tool_outputs.refused"),
    ],
)
def test_after_an_unknown_or_refused_submit_the_run_is_read_soon(reply, event):
    move = moved(answered(reply))

    assert (move.stage, names(move.changes.events)) == (Stage.SUBMIT, [event])
    assert 400 <= move.delay_ms <= 600
    after = a_run(Stage.SUBMIT, move.changes.progress, round=1)
    assert decide(after, now=NOW + move.delay_ms) == Ask(Question.RUN)


def test_an_intent_that_may_still_take_effect_is_waited_out():
    assert decide(submitting(SENDING)) == Rest(14_000)


def test_an_intent_left_by_a_dead_holder_makes_the_run_be_read_first():
    assert decide(submitting(OVER)) == Ask(Question.RUN)


def test_a_run_that_goes_on_has_its_outputs():
    move = moved(reread(submitting(OVER), shown("in_progress")))

    assert (move.stage, move.changes.facts) == (Stage.POLL, {"submitted:1": "run_1"})


def test_a_run_that_asks_for_the_next_round_has_its_outputs_and_the_round_is_opened():
    move = moved(reread(submitting(OVER), shown("requires_action", ("call_2", "look", "{}"))))

    assert (move.stage, move.changes.submitted) == (Stage.TOOLS, (0,))
    assert [(row.tool, row.kind) for row in move.changes.opened] == [("look", "")]


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_run_that_could_complete_has_had_its_outputs(status):
    move = moved(reread(submitting(OVER), shown(status)))

    assert (move.stage, move.changes.submitted) == (Stage.FINALIZE, (0,))
    assert names(move.changes.fact_events) == ["tool_outputs.submitted"]


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_a_run_that_has_ended_is_not_said_to_have_its_outputs(status):
    move = moved(reread(submitting(OVER), shown(status)))

    assert (move.stage, move.changes.facts, move.changes.submitted) == (Stage.FINALIZE, {}, ())


def test_a_run_that_is_being_cancelled_is_watched_and_not_said_to_have_its_outputs():
    move = moved(reread(submitting(OVER), shown("cancelling")))

    assert (move.stage, move.changes.submitted) == (Stage.POLL, ())


def test_a_status_that_nobody_knows_proves_nothing():
    assert reread(submitting(OVER), shown("pondering")) == Rest(1_000)


def test_the_old_action_within_ten_seconds_of_an_unknown_submit_is_an_old_read():
    sent = Intent(Effect.SUBMIT_OUTPUTS, NOW - 9_999, NOW - 9_000)

    assert reread(submitting(sent), ASKS) == Rest(1_000)
    assert reread(submitting(sent), ASKS, NOW + 1) == Ask(Question.STEPS)


def test_after_a_refusal_the_steps_are_asked_at_once():
    just_refused = Intent(Effect.SUBMIT_OUTPUTS, NOW - 1_000, NOW - 500)

    assert reread(submitting(just_refused, refusals=1), ASKS) == Ask(Question.STEPS)


@pytest.mark.parametrize("steps", [(step(None),), ()])
def test_steps_without_the_outputs_send_them_again(steps):
    post = posted(decide(submitting(OVER), StepsSeen(yes(steps))))

    assert (post.effect, post.changes.progress.intent) == (Effect.SUBMIT_OUTPUTS, None)


def test_steps_with_the_outputs_end_the_question():
    move = moved(decide(submitting(OVER), StepsSeen(yes((step("3", status="completed"),)))))

    assert (move.stage, move.changes.submitted) == (Stage.POLL, (0,))
    assert (move.changes.progress.submitted_ms, move.changes.progress.intent) == (NOW, None)
    assert names(move.changes.events) == ["tool_outputs.found_submitted"]


def test_a_next_round_that_looks_like_this_one_is_not_answered_with_the_old_outputs():
    steps = (step("3", status="completed"), step(None))
    move = moved(decide(submitting(OVER), StepsSeen(yes(steps))))
    assert move.stage is Stage.POLL

    run = a_run(Stage.POLL, move.changes.progress, round=1, total_calls=1)
    assert len(moved(reread(run, ASKS)).changes.opened) == 1


def test_steps_that_cannot_be_read_keep_the_question_open():
    move = moved(decide(submitting(OVER), StepsSeen(unknown())))

    assert (move.stage, move.changes.progress.intent) == (Stage.SUBMIT, OVER)


# Refusals that go on.


def test_outputs_refused_three_times_for_their_content_bring_the_run_to_an_end_as_failed():
    second = moved(answered(no(Refusal.INVALID), refusals=1))
    third = moved(answered(no(Refusal.INVALID), refusals=2))

    assert (second.stage, second.changes.progress.refusals) == (Stage.SUBMIT, 2)
    assert (third.stage, third.changes.progress.ending) == (Stage.CANCEL, Outcome.FAILED)
    assert dict(third.changes.events[0].data) == {"reason": "outputs_refused"}


def test_a_status_that_goes_on_refusing_is_asked_ever_more_slowly():
    delays = [moved(answered(no(Refusal.WRONG_STATUS), refusals=refusals)).delay_ms for refusals in range(8)]

    assert delays[-1] >= 20_000
    assert all(later > sooner for sooner, later in pairwise(delays[:7]))


def test_a_run_missing_for_a_minute_is_lost():
    first = moved(decide(submitting(OVER), RunSeen(no(Refusal.NOT_FOUND))))
    run = a_run(Stage.SUBMIT, first.changes.progress, round=1)
    last = moved(decide(run, RunSeen(no(Refusal.NOT_FOUND)), NOW + 60_000))

    assert (first.stage, first.changes.progress.intent) == (Stage.SUBMIT, OVER)
    assert last.changes.progress.ending is Outcome.LOST


@pytest.mark.parametrize(
    ("wish", "ending"), [({"cancel_ms": NOW}, Outcome.CANCELLED), ({"deadline_ms": NOW}, Outcome.TIMED_OUT)]
)
def test_a_cancel_or_the_deadline_cancels_once_no_submit_is_open(wish, ending):
    assert decide(submitting(SENDING, **wish)) == Rest(14_000)
    for run in (submitting(**wish), submitting(OVER, **wish)):
        move = decide(run)
        assert isinstance(move, Move)
        assert (move.stage, move.changes.progress.ending) == (Stage.CANCEL, ending)


def test_no_wait_reaches_beyond_the_deadline():
    assert decide(submitting(SENDING, deadline_ms=NOW + 800)) == Rest(800)
    assert moved(answered(no(Refusal.UNAUTHORIZED), deadline_ms=NOW + 800)).delay_ms == 800
    assert RULES.hold_ms > 800


def test_what_another_client_has_answered_meanwhile_is_not_sent():
    two = (call(state=CallState.SETTLED), call(1, state=CallState.SETTLED))
    both, in_part = shown("requires_action", ADD, ("call_2", "look", "{}")), shown("requires_action", ADD)
    asked = Progress(intent=OVER, created_seen_ms=NOW - 60_000, signature=fingerprint(both), refusals=1)
    run = a_run(Stage.SUBMIT, asked, status="requires_action", round=1, total_calls=2, calls=two)

    first = moved(reread(run, in_part))
    assert (first.stage, first.delay_ms, first.changes.progress.wanted) == (Stage.SUBMIT, 0, (0,))
    run = replace(run, progress=first.changes.progress)
    assert reread(run, in_part) == Ask(Question.STEPS)
    post = posted(decide(run, StepsSeen(yes((step(None, "theirs"),)))))
    assert (post.effect, post.changes.progress.wanted) == (Effect.SUBMIT_OUTPUTS, (0,))
    accepted = moved(
        decide(replace(run, progress=post.changes.progress), OutputsAnswered(yes(shown("queued"))))
    )
    assert accepted.changes.submitted == (0,)
