"""What is read of a run before deciding: nothing that was remembered is lost, nothing that is absent invented."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadrun import records
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from worker import view
from worker.store.ledger import ROW_FIELDS, call_view
from worker.view import RECORD_FIELDS, CallView, Effect, Intent, Progress, RunView, run_view, with_calls

numbers = st.integers(0, 2**53)
texts = st.text(max_size=30)
progress = st.builds(
    Progress,
    intent=st.none() | st.builds(Intent, st.sampled_from(Effect), numbers, numbers),
    ending=st.none() | st.sampled_from(Outcome),
    unconfirmed=st.booleans(),
    **{f.name: numbers for f in fields(Progress) if f.type == "int"},
    wanted=st.lists(numbers).map(tuple),
    **{f.name: texts for f in fields(Progress) if f.type == "str"},
)
MINIMAL = {
    "profile": "default", "stage": "create", "version": "1", "claim": "1", "news": "0", "created_ms": "5",
    "deadline_ms": "9",
}  # fmt: skip


def row(**values):
    return [({**MINIMAL, **values}).get(name) for name in RECORD_FIELDS]


@given(progress)
def test_progress_is_read_back_as_it_was_written(remembered):
    again = Progress.load(remembered.dump())
    assert again == remembered
    assert [type(value) for value in (again.ending, again.intent)] == [
        type(value) for value in (remembered.ending, remembered.intent)
    ]


def test_progress_without_anything_to_remember_is_stored_as_nothing():
    assert Progress().dump() == "{}"
    assert Progress.load(None) == Progress.load("") == Progress.load("{}") == Progress()


def test_what_is_at_its_default_is_not_stored():
    assert json.loads(Progress(errors=2, held="", intent=None).dump()) == {"errors": 2}


def test_what_a_later_version_remembers_beside_is_ignored():
    assert Progress.load('{"errors":2,"moon_phase":"full"}') == Progress(errors=2)


def test_an_intent_of_a_kind_that_is_not_known_is_no_intent_to_be_ignored():
    with pytest.raises(ValueError, match="approve"):
        Progress.load('{"intent":{"effect":"approve","sent_ms":1,"not_after_ms":2}}')


def test_a_run_is_typed_from_its_row():
    seen = run_view(
        "a",
        row(
            stage="tools", version="4", claim="7", news="2", assistant_id="asst", thread_id="t", run_id="r",
            status="queued", cancel_ms="8", round="2", open="1", total_calls="5", tool_names="add,mul", tells="1",
            progress='{"errors":3}',
        ),
    )  # fmt: skip
    assert seen == RunView(
        key="a", profile="default", stage=Stage.TOOLS, version=4, claim=7, news="2", created_ms=5, deadline_ms=9,
        assistant_id="asst", thread_id="t", run_id="r", status="queued", cancel_ms=8, round=2, open=1, total_calls=5,
        tool_names="add,mul", tells=True, progress=Progress(errors=3),
    )  # fmt: skip
    assert seen.index_label == "queued"


def test_what_a_new_run_does_not_have_yet_reads_as_nothing():
    seen = run_view("a", row())
    assert (seen.thread_id, seen.run_id, seen.status, seen.cancel_ms, seen.round) == (None, None, "", 0, 0)
    assert (seen.tool_names, seen.tells, seen.index_label, seen.progress) == ("*", False, "none", Progress())


@pytest.mark.parametrize("broken", [{"stage": "approving"}, {"version": None}, {"progress": "{"}])
def test_a_row_that_cannot_be_typed_is_an_error_and_no_guess(broken):
    with pytest.raises(ValueError):
        run_view("a", row(**broken))


def test_calls_are_added_without_changing_the_view():
    seen = run_view("a", row())
    calls = (CallView(0, CallState.PENDING, "add"),)
    assert with_calls(seen, list(calls)).calls == calls
    assert seen.calls == ()


def test_a_ledger_row_is_typed():
    values = {
        "state": "claimed", "tool": "add", "tool_call_id": "c", "type": "mcp", "attempts": "2", "sends": "3",
        "sent_ms": "4", "not_before_ms": "5", "worker": "w", "token": "t", "deadline_ms": "6", "idempotent": "1",
        "queue": "slow", "timeout_seconds": "1.5", "on_unknown": "park", "strikes": "1", "deaths": "2",
        "quarantined_ms": "7",
    }  # fmt: skip
    assert set(values) == set(ROW_FIELDS)
    assert call_view(1, [values[name] for name in ROW_FIELDS]) == CallView(
        index=1, state=CallState.CLAIMED, tool="add", tool_call_id="c", type="mcp", attempts=2, sends=3, sent_ms=4,
        not_before_ms=5, worker="w", token="t", deadline_ms=6, idempotent=True, queue="slow", timeout_seconds=1.5,
        on_unknown=OnUnknown.PARK, strikes=1, deaths=2, quarantined=True,
    )  # fmt: skip


def test_a_fresh_ledger_row_reads_as_unsent_and_unclaimed():
    values = {"state": "pending", "tool": "add"}
    assert call_view(0, [values.get(name) for name in ROW_FIELDS]) == CallView(0, CallState.PENDING, "add")


def test_client_and_worker_know_the_same_schema():
    assert view.SCHEMA == records.SCHEMA
