"""The timeline shows where a run spent its time, from its stored transitions alone."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from tests.unit.cli_record import (
    CREATED,
    ENQUEUED_AT,
    REQUIRES,
    after,
    completed_with_two_tools,
    ledger_row,
    made_record,
    ms,
)
from threadrun.cli.bars import draw
from threadrun.cli.timeline import Row, timeline
from threadrun.events import STORED_EVENTS
from threadrun.records import RunRecord
from threadrun.status import Stage


def drawn(record: RunRecord, now: float, width: int = 80, *, ascii_only: bool = False) -> str:
    screen = StringIO()
    console = Console(file=screen, width=width, color_system=None)
    console.print(draw(timeline(record, after(now)), ENQUEUED_AT, width, ascii_only=ascii_only))
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines())


def spells(record: RunRecord, now: float = 100.0) -> list[tuple[str, float, float]]:
    rows = timeline(record, after(now))
    return [(row.label, (row.start - ENQUEUED_AT).total_seconds(), row.took.total_seconds()) for row in rows]


def only(record: RunRecord, label: str, now: float = 100.0) -> Row:
    (row,) = (row for row in timeline(record, after(now)) if row.label == label)
    return row


def test_a_finished_run_is_drawn_whole() -> None:
    assert (
        drawn(completed_with_two_tools(), now=500.0)
        == """\
WHAT        AT s  TOOK s  0                   10.00
create    +0.000   0.500  ██
poll      +0.500   1.000   ███
tools     +1.500   4.500     ████████████
  add     +1.500   0.500     ░░██                    ok, attempt 1, tools@h
  search  +1.500   3.000     ░░███░░█████            timeout, attempt 2, tools@h
submit    +6.000   0.500                 ██
poll      +6.500   3.000                  ████████
finalize  +9.500   0.500                         ██"""
    )


def test_a_terminal_without_blocks_gets_plain_letters() -> None:
    lines = drawn(completed_with_two_tools(), now=500.0, ascii_only=True).splitlines()

    assert lines[5] == "  search  +1.500   3.000     ..###..#####            timeout, attempt 2, tools@h"


@pytest.mark.parametrize("width", [40, 60, 80, 140, 300])
def test_a_picture_fits_its_width(width: int) -> None:
    lines = drawn(completed_with_two_tools(), 500.0, width).splitlines()

    assert max(map(len, lines)) <= width
    assert "…" not in lines[0]


def test_a_narrow_terminal_gets_bars_without_remarks() -> None:
    rows = timeline(completed_with_two_tools(), after(500.0))

    assert len(drawn(completed_with_two_tools(), 500.0, 54).splitlines()) == len(rows) + 1


def test_a_long_tool_name_is_cut_and_the_scale_stays() -> None:
    row = ledger_row(1, 0, tool="a_very_long_name_of_a_tool_indeed", state="pending")
    lines = drawn(made_record("tools", [*CREATED, *REQUIRES], {"1:size": "1", **row}), now=3.0).splitlines()

    assert lines[-1].startswith("  a_very_long_name_…  +1.500 ")
    assert "waits for a worker" in lines[-1]


def test_a_run_that_waited_for_its_thread_begins_with_that() -> None:
    record = made_record(
        "poll",
        [
            (4.0, "run.admitted", {"from": "waiting", "to": "create"}),
            (4.5, "run.created", {"run_id": "run_1", "status": "queued"}),
        ],
    )

    assert spells(record, 10.0) == [("waiting", 0.0, 4.0), ("create", 4.0, 0.5), ("poll", 4.5, 5.5)]
    assert not only(record, "waiting").spans[0].working


def test_a_run_that_still_waits_has_an_open_spell() -> None:
    record = made_record("waiting", [])

    assert spells(record, 12.0) == [("waiting", 0.0, 12.0)]
    assert only(record, "waiting").open


def test_the_wait_for_a_worker_is_told_from_its_creation() -> None:
    events = [
        (0.0, "run.enqueued", {}),
        (1.0, "run.cancel_requested", {}),
        (6.0, "run.create_sent", {"attempt": 1}),
        (8.0, "run.created", {"run_id": "run_1", "status": "queued"}),
    ]

    waited, worked = only(made_record("poll", events), "create").spans
    assert (waited.end, waited.working) == (after(6.0), False)
    assert (worked.start, worked.end, worked.working) == (after(6.0), after(8.0), True)
    (still_waits,) = only(made_record("create", events[:2]), "create", now=9.0).spans
    assert not still_waits.working


def test_a_handler_that_runs_now_is_open_and_grows() -> None:
    row = ledger_row(1, 0, tool="add", state="claimed", attempts=1, worker="tools@h/1", claimed_ms=ms(2.0))
    claimed = (2.0, "tool.claimed", {"round": 1, "index": 0, "tool": "add", "attempt": 1})
    record = made_record("tools", [*CREATED, *REQUIRES, claimed], {"1:size": "1", **row})
    call = only(record, "add", now=7.0)

    assert call.open
    assert call.took.total_seconds() == 5.0
    assert call.remarks == ("runs", "attempt 1", "tools@h")
    assert drawn(record, 7.0).splitlines()[-1].count("▶") == 1


def test_a_call_that_the_run_left_behind_ends_with_its_round() -> None:
    row = ledger_row(1, 0, tool="add", state="claimed", attempts=1, worker="tools@h/1", claimed_ms=ms(2.0))
    events = [
        *CREATED,
        *REQUIRES,
        (2.0, "tool.claimed", {"round": 1, "index": 0, "tool": "add", "attempt": 1}),
        (3.0, "run.cancel_requested", {}),
        (4.0, "run.cancelling", {"from": "tools", "to": "cancel", "reason": "cancel_requested"}),
        (5.0, "run.ended", {"from": "cancel", "to": "finalize", "outcome": "cancelled"}),
        (6.0, "run.finished", {"outcome": "cancelled"}),
    ]
    record = made_record("done", events, {"1:size": "1", **row}, outcome="cancelled", finished_ms=ms(6.0))

    assert spells(record)[2:] == [
        ("tools", 1.5, 2.5), ("add", 1.5, 2.0), ("cancel", 4.0, 1.0), ("finalize", 5.0, 1.0)
    ]  # fmt: skip
    assert not only(record, "add").open
    assert only(record, "add").remarks[0] == "left running"
    assert only(record, "tools").remarks == ("cancel asked at +3.000",)


def test_a_round_whose_calls_were_all_refused_still_shows_them() -> None:
    row = ledger_row(1, 0, tool="nobody", state="submitted", kind="missing_tool")
    events = [
        *CREATED,
        (1.5, "run.requires_action", {"from": "poll", "to": "submit", "round": 1, "calls": 1}),
        (
            1.5,
            "tool.refused",
            {"from": "poll", "to": "submit", "round": 1, "index": 0, "kind": "missing_tool"},
        ),
        (2.0, "tool_outputs.submitted", {"round": 1, "outputs": 1}),
    ]
    record = made_record("poll", events, {"1:size": "1", **row})

    assert [label for label, _, _ in spells(record)] == [
        "create",
        "poll",
        "tools",
        "nobody",
        "submit",
        "poll",
    ]
    assert only(record, "nobody").remarks == ("missing tool",)


def test_rounds_are_numbered_when_there_are_several() -> None:
    second = [
        (7.0, "run.outputs_ready", {"round": 1}),
        (8.0, "tool_outputs.submitted", {"round": 1, "outputs": 2}),
        (8.0, "run.requires_action", {"from": "submit", "to": "tools", "round": 2, "calls": 1}),
    ]
    record = made_record("tools", [*CREATED, *REQUIRES, *second])

    assert [label for label, _, _ in spells(record)] == ["create", "poll", "tools 1", "submit", "tools 2"]


def test_a_run_that_moved_on_without_its_outputs_is_polled_again() -> None:
    moved = (5.0, "run.status_changed", {"from": "requires_action", "to": "in_progress"})
    ended = (7.0, "run.ended", {"from": "poll", "to": "finalize", "outcome": "completed"})
    record = made_record("finalize", [*CREATED, *REQUIRES, moved, ended])

    assert spells(record, 8.0)[2:] == [("tools", 1.5, 3.5), ("poll", 5.0, 2.0), ("finalize", 7.0, 1.0)]


def test_a_move_that_left_no_event_shows_all_the_same() -> None:
    assert [label for label, _, _ in spells(made_record("submit", [*CREATED, *REQUIRES]))][-1] == "submit"


@pytest.mark.parametrize(
    ("event", "remark"),
    [
        ((0.2, "run.held", {"reason": "rate_limited"}), "held: rate limited"),
        ((0.2, "run.create_unknown", {"reason": "timeout"}), "outcome unknown, searched for"),
        ((0.2, "run.create_sent", {"attempt": 2}), "create attempt 2"),
        ((0.2, "run.held", {"reason": "evil\x1b[31m"}), "held: evil\ufffd[31m"),
    ],
)
def test_trouble_is_told_beside_the_spell_it_happened_in(
    event: tuple[float, str, dict[str, str]], remark: str
) -> None:
    assert only(made_record("create", [event]), "create").remarks == (remark,)


def test_why_a_run_is_brought_to_its_end_stands_beside_the_cancel() -> None:
    events = [
        *CREATED,
        (3.0, "run.cancelling", {"from": "poll", "to": "cancel", "reason": "deadline_passed"}),
    ]

    assert only(made_record("cancel", events), "cancel").remarks == ("deadline passed",)


@pytest.mark.parametrize("kind", [*STORED_EVENTS, "run.of_a_later_version"])
def test_any_event_can_stand_anywhere(kind: str) -> None:
    """Records of another version, or with events in an order nobody thought of, are drawn all the same."""
    for data in ({}, {"from": "nowhere", "to": "elsewhere"}, {"round": "x", "index": None, "reason": 5}):
        for stage in Stage:
            record = made_record(stage.value, [(1.0, kind, data), *CREATED, (2.0, kind, data)])
            assert drawn(record, 3.0)
