"""What a run waits for is said in words that need no knowledge of the engine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli_record import CREATED, REQUIRES, Event, after, made_record
from tests.unit.cli_waits import NOW, call, waits
from threadrun.cli.waiting_words import waiting_lines
from threadrun.status import CallState, Stage


def test_a_run_that_the_provider_works_at_says_when_it_is_looked_at_next() -> None:
    assert waiting_lines(waits()) == ["the provider has it: in_progress", "next look in 1.2 s"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"thread_holder": "other", "thread_holder_stage": Stage.POLL},
            "waits for the thread held by run other (stage poll) since 100 s",
        ),
        (
            {"thread_holder": "other", "thread_holder_stage": Stage.POLL, "runs_ahead": 2},
            "waits for the thread held by run other (stage poll) since 100 s, 2 more before it",
        ),
        (
            {"thread_holder": "gone"},
            "waits for the thread held by run gone (without a record) since 100 s",
        ),
        ({}, "its thread is free; waits to be admitted"),
        ({"thread_holder": None}, "waits for its thread, which nobody holds; see `threadrun doctor`"),
    ],
)
def test_a_waiting_run_names_who_has_its_thread(changed: dict[str, Any], line: str) -> None:
    assert waiting_lines(waits(Stage.WAITING, **changed))[0] == line


@pytest.mark.parametrize(
    ("state", "changed", "line"),
    [
        (CallState.CLAIMED, {}, "handler add (attempt 1) runs on tools@vm, 3.2 s of 60 s"),
        (
            CallState.CLAIMED,
            {"worker_seen_at": after(NOW - 40)},
            "handler add (attempt 1) runs on tools@vm, 3.2 s of 60 s; that worker gives no sign of life",
        ),
        (CallState.PENDING, {}, "call of add waits for a worker of queue tools for 4 s"),
        (
            CallState.PENDING,
            {"sends": 3, "tool_seen_at": None},
            "call of add waits for a worker of queue tools for 4 s, sent 3 times; no living worker serves add",
        ),
    ],
)
def test_a_run_in_stage_tools_names_each_call_without_an_output(
    state: CallState, changed: dict[str, Any], line: str
) -> None:
    lines = waiting_lines(
        waits(Stage.TOOLS, calls=(call(state, **changed), call(CallState.PENDING, tool="other")))
    )

    assert lines[0] == line
    assert lines[1].startswith("call of other waits")


REOPENED = {"round": 1, "index": 0, "reason": "worker_died"}


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], "98.5"),
        ([(70.0, "tool.sent_again", {"round": 1, "index": 0, "sends": 2})], "98.5"),
        ([(70.0, "tool.reopened", {**REOPENED, "index": 1})], "98.5"),
        ([(70.0, "tool.reopened", REOPENED)], "30"),
        ([(80.0, "tool.released", {"round": 1, "index": 0})], "20"),
    ],
)
def test_the_wait_for_a_worker_counts_from_when_the_call_was_open_and_not_from_its_last_message(
    events: list[Event], seconds: str
) -> None:
    record = made_record("tools", [*CREATED, *REQUIRES, *events])
    pending = waits(Stage.TOOLS, calls=(call(CallState.PENDING),))

    assert waiting_lines(pending, record.transitions)[0] == (
        f"call of add waits for a worker of queue tools for {seconds} s"
    )


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        (Stage.CREATE, "waits to be created at the provider"),
        (Stage.TOOLS, "its tool outputs wait to be sent"),
        (Stage.SUBMIT, "its tool outputs wait to be sent"),
        (Stage.CANCEL, "waits until the provider shows it ended; now: in_progress"),
        (Stage.FINALIZE, "has ended; its steps, messages and usage are being read"),
    ],
)
def test_every_other_stage_has_its_sentence(stage: Stage, line: str) -> None:
    assert waiting_lines(waits(stage)) == [line, "next look in 1.2 s"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"held": "unauthorized", "errors": 3},
            "held: unauthorized — the provider refuses the key of profile default; "
            "check the profile's key and its rights",
        ),
        ({"held": "of_a_later_version"}, "held: of_a_later_version — see `threadrun events`"),
        ({"errors": 3}, "3 looks in a row got no usable answer from the provider"),
        ({"cancel_requested": True}, "somebody wished it cancelled"),
        ({"unconfirmed_post": "create_run"}, "its creation was posted, and the answer is not known yet"),
        (
            {"profile_seen_at": after(NOW - 20)},
            "no living worker serves profile default: start a worker of queue runs that has it",
        ),
    ],
)
def test_trouble_is_named_with_its_remedy(changed: dict[str, Any], line: str) -> None:
    assert waiting_lines(waits(**changed))[1] == line


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"in_hand": True}, "a worker has it in hand"),
        ({"next_look_at": after(NOW - 3)}, "due since 3 s"),
        ({"next_look_at": None}, "no agenda has it, so nobody will look at it; see `threadrun doctor`"),
    ],
)
def test_the_last_line_says_when_somebody_looks(changed: dict[str, Any], line: str) -> None:
    assert waiting_lines(waits(**changed))[-1] == line


def test_a_finished_run_waits_for_nothing_but_its_callers_task() -> None:
    assert waiting_lines(waits(Stage.DONE)) == ["done"]
    told = waits(Stage.DONE, tells=True, next_look_at=after(NOW + 5))
    assert waiting_lines(told) == ["done; its on_done task is still to be sent, next look in 5 s"]


def test_names_from_elsewhere_cannot_steer_the_terminal() -> None:
    (first, *_) = waiting_lines(
        waits(Stage.TOOLS, calls=(call(CallState.PENDING, tool="a\x1b]0;x\x07\u202e"),))
    )

    assert first.isprintable()


def test_a_parked_call_says_how_long_it_waits_and_for_which_command() -> None:
    parked = call(CallState.UNKNOWN, attempt=1)
    killer = call(CallState.UNKNOWN, attempt=3, quarantined=True)
    first, second, _ = waiting_lines(waits(Stage.TOOLS, calls=(parked, killer)))

    assert first == (
        "call of add (attempt 1) is parked: nobody knows how it ended; waits for 485 s for "
        "`threadrun quarantine resolve order-7/1/0` or `release`"
    )
    assert "is quarantined, for its handlers died with it" in second


def test_a_quarantined_run_says_when_it_ends_and_what_carries_it_on() -> None:
    assert waiting_lines(waits(Stage.POLL, quarantined_at=after(NOW - 5))) == [
        "in quarantine: its workers died with it in stage poll; ends in 500 s, unless "
        "`threadrun quarantine release order-7` has it carried on"
    ]
