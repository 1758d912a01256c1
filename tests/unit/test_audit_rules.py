"""Each rule of the audit finds its breach, and a sound run shows none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from threadrun.audit import Evidence, HandlerLog, Kept, KeptCall, KeptEvent, Rule, ServerLog, judge

CALL = KeptCall(1, 0, "add", "submitted", "ok", 1, True)
DONE = Kept(
    key="r",
    stage="done",
    status="completed",
    outcome="completed",
    run_id="run_1",
    events=(KeptEvent(1, "run.enqueued"), KeptEvent(2, "run.created"), KeptEvent(3, "run.finished")),
    calls=(CALL,),
    agendas=(),
    labels=("completed",),
    in_index=True,
    holds_thread=False,
    waits_for_thread=False,
    tells=False,
)
OPEN = replace(
    DONE,
    stage="poll",
    status="in_progress",
    outcome="",
    events=DONE.events[:2],
    agendas=("poll",),
    labels=("in_progress",),
    holds_thread=True,
)
WAITING = replace(
    OPEN, stage="waiting", agendas=("waiting",), holds_thread=False, waits_for_thread=True, run_id=""
)


def server(*effects: tuple[str, str]) -> Evidence:
    lines = [{"effect": effect, "run_id": run_id, "threadrun_key": "r"} for effect, run_id in effects]
    return Evidence(server=ServerLog.of(lines))


def handlers(*events: str, tool: str = "add", **more: frozenset[str]) -> Evidence:
    return Evidence(
        handlers=HandlerLog.of({"event": e, "call": "r:1:0", "tool": tool} for e in events), **more
    )


def rules(run: Kept, evidence: Evidence | None = None) -> list[Rule]:
    return [breach.rule for breach in judge(run, evidence or Evidence())]


SOUND = Evidence(
    server=server(("run.created", "run_1")).server, handlers=handlers("entered", "left").handlers
)


@pytest.mark.parametrize("run", [DONE, OPEN, WAITING], ids=["done", "open", "waiting"])
def test_a_sound_run_breaks_no_rule(run: Kept) -> None:
    assert rules(run, SOUND) == []


def test_a_finished_run_whose_caller_is_still_to_be_told_stays_due() -> None:
    assert rules(replace(DONE, tells=True, agendas=("finalize",))) == []
    assert rules(replace(DONE, tells=False, agendas=("finalize",))) == [Rule.AGENDA_ASTRAY]


TWICE = (*DONE.events[:2], KeptEvent(3, "run.finished"), KeptEvent(4, "run.finished"))
NOT_LAST = (*DONE.events[:1], KeptEvent(2, "run.finished"), KeptEvent(3, "run.created"))


@pytest.mark.parametrize(
    ("run", "rule"),
    [
        (replace(DONE, events=TWICE), Rule.RUN_NOT_ENDED_ONCE),
        (replace(DONE, events=NOT_LAST), Rule.RUN_NOT_ENDED_ONCE),
        (replace(DONE, events=DONE.events[:2]), Rule.RUN_NOT_ENDED_ONCE),
        (replace(OPEN, events=DONE.events), Rule.RUN_NOT_ENDED_ONCE),
        (replace(OPEN, events=(DONE.events[0], KeptEvent(3, "run.created"))), Rule.EVENT_GAP),
        (replace(OPEN, events=(DONE.events[0], DONE.events[0])), Rule.EVENT_GAP),
        (replace(OPEN, events=()), Rule.EVENT_GAP),
        (replace(OPEN, agendas=()), Rule.AGENDA_ASTRAY),
        (replace(OPEN, agendas=("poll", "tools")), Rule.AGENDA_ASTRAY),
        (replace(OPEN, agendas=("tools",)), Rule.AGENDA_ASTRAY),
        (replace(DONE, agendas=("poll",)), Rule.AGENDA_ASTRAY),
        (replace(DONE, holds_thread=True), Rule.THREAD_LOCKED),
        (replace(DONE, waits_for_thread=True), Rule.THREAD_LOCKED),
        (replace(WAITING, waits_for_thread=False), Rule.THREAD_LOCKED),
        (replace(DONE, labels=("completed", "queued")), Rule.INDEX_LEFTOVER),
        (replace(DONE, labels=()), Rule.INDEX_MISSING),
        (replace(DONE, in_index=False), Rule.INDEX_MISSING),
        (replace(DONE, calls=(replace(CALL, attempts=2),)), Rule.CALL_ENTERED_TWICE),
        (replace(DONE, calls=(replace(CALL, state="claimed", kind=""),)), Rule.OUTCOME_HIDDEN),
        (
            replace(DONE, calls=(replace(CALL, kind="unknown_outcome", has_output=False),)),
            Rule.OUTCOME_HIDDEN,
        ),
    ],
)
def test_a_breach_that_the_record_shows_is_found(run: Kept, rule: Rule) -> None:
    assert rules(run) == [rule]


def test_a_second_provider_run_that_nobody_cancelled_is_a_breach() -> None:
    twins = [("run.created", "run_1"), ("run.created", "run_2")]

    assert rules(DONE, server(*twins)) == [Rule.PROVIDER_TWIN]
    assert rules(DONE, server(*twins, ("run.cancelled", "run_2"))) == []


def test_a_record_that_tells_of_a_run_made_for_another_key_is_a_breach() -> None:
    assert rules(DONE, server(("run.created", "run_other"))) == [Rule.PROVIDER_OTHER]


def test_a_call_that_a_person_released_may_be_entered_once_more() -> None:
    released = replace(DONE, calls=(replace(CALL, attempts=2, releases=1),))

    assert rules(released, handlers("entered", "entered", "left")) == []
    assert Rule.CALL_ENTERED_TWICE in rules(released, handlers("entered", "entered", "entered", "left"))


def test_a_handler_that_was_entered_twice_is_a_breach_unless_its_tool_is_idempotent() -> None:
    run = replace(DONE, calls=(replace(CALL, attempts=2),))
    evidence = handlers("entered", "entered", "left")

    assert set(rules(run, evidence)) == {Rule.CALL_ENTERED_TWICE}
    assert rules(run, replace(evidence, idempotent=frozenset({"add"}))) == []


def test_a_handler_that_was_entered_unseen_by_the_record_is_a_breach() -> None:
    run = replace(DONE, calls=(replace(CALL, attempts=0),))

    assert rules(run, handlers("entered", "left")) == [Rule.CALL_UNRECORDED]


def test_an_outcome_that_was_guessed_is_a_breach() -> None:
    others = {"event": "left", "call": "s:1:0", "tool": "add"}
    entered = {"event": "entered", "call": "r:1:0", "tool": "add"}

    assert rules(DONE, Evidence(handlers=HandlerLog.of([others, entered]))) == [Rule.OUTCOME_HIDDEN]
    assert rules(DONE, handlers("entered")) == [], "handlers that never say when they leave prove nothing"


def test_an_unknown_outcome_of_a_run_that_did_not_complete_is_surfaced_by_the_record() -> None:
    run = replace(DONE, outcome="cancelled", labels=("cancelled",), calls=(replace(CALL, state="claimed"),))

    assert rules(run) == []
