"""A cancel is a wish, repeated until the provider shows a terminal status."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.unit.decide.views import (
    ASKS,
    NOW,
    RULES,
    SIGNATURE,
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
from threadrun.status import Outcome, Stage
from worker.decide.decision import Ask, Question, Rest, ThreadMove
from worker.decide.seen import CancelAnswered, OutputsAnswered, RunSeen
from worker.providers.base import Refusal
from worker.view import Effect, Intent, Progress, RunView

SENDING = Intent(Effect.CANCEL_RUN, NOW - 1_000, NOW + 14_000)
OVER = intent(Effect.CANCEL_RUN)


def cancelling(open_intent: Intent | None = None, **more: object) -> RunView:
    names_of_progress = {f.name for f in fields(Progress) if f.name in more}
    values = {name: more.pop(name) for name in names_of_progress}
    defaults = {"cancel_since_ms": NOW - 2_000, "ending": Outcome.CANCELLED, "signature": SIGNATURE}
    progress = Progress(intent=open_intent, created_seen_ms=NOW - 60_000, **{**defaults, **values})
    return a_run(Stage.CANCEL, progress, **{"round": 1, **more})


def test_the_cancel_is_posted():
    post = posted(decide(cancelling()))

    assert (post.effect, names(post.changes.events)) == (Effect.CANCEL_RUN, ["run.cancel_sent"])


def test_an_accepted_cancel_is_watched():
    move = moved(decide(cancelling(SENDING), CancelAnswered(yes(shown("cancelling")))))

    assert (move.stage, move.delay_ms) == (Stage.CANCEL, 1_000)
    assert (move.changes.progress.cancel_accepted_ms, move.changes.progress.intent) == (NOW, None)


def test_the_providers_hint_is_a_floor_here_too():
    move = moved(decide(cancelling(SENDING), CancelAnswered(yes(shown("cancelling"), 9.0))))

    assert move.delay_ms == 9_000


def test_an_accepted_cancel_that_shows_no_effect_is_repeated_after_ten_seconds():
    assert decide(cancelling(cancel_accepted_ms=NOW - 9_999)) == Ask(Question.RUN)
    assert posted(decide(cancelling(cancel_accepted_ms=NOW - 10_000))).effect is Effect.CANCEL_RUN


def test_a_repeat_refused_because_the_first_is_at_work_is_not_repeated_at_once():
    refused = moved(
        decide(cancelling(SENDING, cancel_accepted_ms=1), CancelAnswered(no(Refusal.WRONG_STATUS)))
    )
    run = a_run(Stage.CANCEL, refused.changes.progress, round=1)
    assert decide(run) == Ask(Question.RUN)

    seen = moved(decide(run, RunSeen(yes(shown("cancelling")))))
    again = a_run(Stage.CANCEL, seen.changes.progress, round=1)
    assert decide(again, now=NOW + 9_999) == Ask(Question.RUN)


@pytest.mark.parametrize(
    ("ending", "status", "outcome"),
    [
        (Outcome.CANCELLED, "cancelled", Outcome.CANCELLED),
        (Outcome.TIMED_OUT, "cancelled", Outcome.TIMED_OUT),
        (Outcome.FAILED, "cancelled", Outcome.FAILED),
        (Outcome.CANCELLED, "completed", Outcome.COMPLETED),
        (Outcome.TIMED_OUT, "completed", Outcome.COMPLETED),
        (Outcome.TIMED_OUT, "expired", Outcome.EXPIRED),
    ],
)
def test_the_provider_has_the_last_word_on_how_it_ended(ending, status, outcome):
    move = moved(decide(cancelling(ending=ending), RunSeen(yes(shown(status)))))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, outcome)
    assert (move.changes.thread, move.changes.progress.unconfirmed) == (ThreadMove.FREE, False)


@pytest.mark.parametrize(
    "reply",
    [no(Refusal.WRONG_STATUS), no(Refusal.INVALID), no(Refusal.NOT_FOUND), no(Refusal.NO_ROUTE), unknown()],
)
def test_after_a_refused_or_unknown_cancel_the_run_is_read(reply):
    move = moved(decide(cancelling(SENDING), CancelAnswered(reply)))

    assert (move.stage, move.delay_ms) == (Stage.CANCEL, 250)
    assert decide(a_run(Stage.CANCEL, move.changes.progress)) == Ask(Question.RUN)


@pytest.mark.parametrize("refusal", [Refusal.NEVER_SENT, Refusal.RATE_LIMITED, Refusal.UNAUTHORIZED])
def test_a_cancel_that_had_no_effect_is_sent_again_later(refusal):
    move = moved(decide(cancelling(SENDING), CancelAnswered(no(refusal))))

    assert (move.stage, move.changes.progress.intent) == (Stage.CANCEL, None)


def test_a_run_still_at_work_after_a_refusal_is_cancelled_again():
    move = moved(decide(cancelling(OVER, refusals=1), RunSeen(yes(shown("in_progress")))))

    assert move.stage is Stage.CANCEL
    assert posted(decide(a_run(Stage.CANCEL, move.changes.progress))).effect is Effect.CANCEL_RUN


def test_where_cancelling_is_refused_in_requires_action_every_call_is_answered_as_cancelled():
    post = posted(decide(cancelling(OVER, refusals=1), RunSeen(yes(ASKS))))

    assert (post.effect, names(post.changes.events)[-1]) == (Effect.SUBMIT_OUTPUTS, "tool_outputs.cancelled")


def test_a_run_that_asks_for_tools_is_not_answered_unless_the_cancel_was_refused():
    assert moved(decide(cancelling(), RunSeen(yes(ASKS)))).stage is Stage.CANCEL


@pytest.mark.parametrize("reply", [yes(shown("queued")), no(Refusal.WRONG_STATUS), unknown()])
def test_after_the_cancelled_outputs_the_cancel_is_sent_again(reply):
    open_intent = Intent(Effect.SUBMIT_OUTPUTS, NOW - 1_000, NOW + 14_000)
    move = moved(decide(cancelling(open_intent, refusals=1), OutputsAnswered(reply)))

    assert (move.stage, move.changes.progress.intent) == (Stage.CANCEL, None)
    assert move.delay_ms > 0
    assert posted(decide(a_run(Stage.CANCEL, move.changes.progress))).effect is Effect.CANCEL_RUN


def test_a_server_that_refuses_both_is_asked_ever_more_slowly():
    open_intent = Intent(Effect.SUBMIT_OUTPUTS, NOW - 1_000, NOW + 14_000)
    delays = [
        moved(decide(cancelling(open_intent, refusals=n), OutputsAnswered(no(Refusal.INVALID)))).delay_ms
        for n in (1, 3, 5)
    ]

    assert delays[0] < 1_000 < delays[1] < 3_000 < delays[2]


def test_an_intent_that_may_still_take_effect_is_waited_out():
    assert decide(cancelling(SENDING)) == Rest(14_000)


def test_an_intent_left_by_a_dead_holder_makes_the_run_be_read():
    assert decide(cancelling(OVER)) == Ask(Question.RUN)


@pytest.mark.parametrize(
    ("ending", "outcome"), [(Outcome.TIMED_OUT, Outcome.TIMED_OUT), (None, Outcome.CANCELLED)]
)
def test_a_cancel_that_never_takes_effect_is_given_up_as_unconfirmed(ending, outcome):
    stuck = cancelling(
        cancel_since_ms=NOW - RULES.cancel_deadline_ms, cancel_accepted_ms=NOW - 1, ending=ending
    )
    move = moved(decide(stuck))

    assert (move.stage, move.changes.progress.ending) == (Stage.FINALIZE, outcome)
    assert move.changes.progress.unconfirmed
    assert dict(move.changes.events[-1].data) == {"outcome": outcome.value, "unconfirmed": True}


def test_no_wait_reaches_beyond_the_cancels_own_deadline():
    soon = {"cancel_since_ms": NOW - RULES.cancel_deadline_ms + 600}
    reply = no(Refusal.RATE_LIMITED, retry_after_seconds=300)

    assert moved(decide(cancelling(SENDING, **soon), CancelAnswered(reply))).delay_ms == 600
    assert decide(cancelling(SENDING, **soon)) == Rest(600)


def test_a_run_that_is_gone_for_a_minute_is_lost():
    first = moved(decide(cancelling(OVER), RunSeen(no(Refusal.NOT_FOUND))))
    run = a_run(Stage.CANCEL, first.changes.progress)
    last = moved(decide(run, RunSeen(no(Refusal.NOT_FOUND)), NOW + 60_000))

    assert (first.stage, last.changes.progress.ending) == (Stage.CANCEL, Outcome.LOST)


def test_a_run_that_was_never_made_ends_at_once():
    assert moved(decide(cancelling(run_id=None))).changes.progress.ending is Outcome.CANCELLED
