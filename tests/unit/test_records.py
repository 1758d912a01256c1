"""Records: what was stored is shown whole, in order, with UTC times; what is newer is not misread."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from threadrun.errors import RecordTooNew
from threadrun.records import (
    SCHEMA,
    ProviderAnswer,
    ToolCallRecord,
    Transition,
    run_record,
    tool_calls,
    utc,
    utc_or_none,
)
from threadrun.status import CallState, Outcome, RunStatus, Stage

FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs"
NOW_MS = 1_790_000_000_123
NEW = {
    "schema": "1", "profile": "default", "stage": "create", "created_ms": str(NOW_MS),
    "deadline_ms": str(NOW_MS + 600_000), "request": '{"assistant_id":"asst","thread_id":"t"}',
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": {"value": "hello", "annotations": []}}],
}  # fmt: skip


def record(events=(), calls=None, **fields):
    return run_record("a", NEW | fields, events, calls or {})


def test_a_new_run_has_nothing_but_its_request():
    found = record()

    assert (found.key, found.schema, found.stage, found.final) == ("a", 1, Stage.CREATE, False)
    assert (found.status, found.outcome, found.run, found.usage, found.last_answer) == (None,) * 5
    assert (found.steps, found.messages, found.tool_calls, found.transitions, found.missing) == ((),) * 5
    assert (found.thread_id, found.run_id, found.cancel_requested_at, found.finished_at) == (None,) * 4
    assert (found.polls, found.requests, found.held, found.unconfirmed, found.output_text) == (
        0,
        0,
        "",
        False,
        "",
    )
    assert found.created_at == datetime(2026, 9, 21, 14, 13, 20, 123_000, tzinfo=UTC)
    assert (found.deadline_at - found.created_at).total_seconds() == 600


def test_a_final_record_shows_everything_that_was_stored():
    run = (FIXTURES / "dotnet_run_completed_1.json").read_text()
    step = (FIXTURES / "spec_run_step_completed_1.json").read_text()
    found = record(
        stage="done", status="completed", outcome="timed_out", thread_id="t", run_id="r", run=run,
        steps=f"[{step}]", messages=json.dumps([MESSAGE, {**MESSAGE, "content": []}, {**MESSAGE, "id": "msg_2"}]),
        usage='{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}', usage_source="steps",
        missing='["usage"]', cancel_ms=str(NOW_MS + 1_000), finished_ms=str(NOW_MS + 5_000), polls="4", requests="9",
        progress='{"unconfirmed":true,"held":"rate_limited"}', last_answer=ProviderAnswer(200, "OK").dump(),
        tells="1", claim="7",
    )  # fmt: skip

    assert (found.final, found.status, found.outcome) == (True, RunStatus.COMPLETED, Outcome.TIMED_OUT)
    assert (found.thread_id, found.run_id, found.run.id) == ("t", "r", json.loads(run)["id"])
    assert [step_.id for step_ in found.steps] == [json.loads(step)["id"]]
    assert (len(found.messages), found.output_text) == (3, "hello\nhello")
    assert (found.usage.total_tokens, found.usage_source, found.missing) == (3, "steps", ("usage",))
    assert (found.finished_at - found.created_at).total_seconds() == 5
    assert (found.cancel_requested_at - found.created_at).total_seconds() == 1
    assert (found.polls, found.requests, found.unconfirmed, found.held) == (4, 9, True, "rate_limited")
    assert found.last_answer == ProviderAnswer(200, "OK")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_read(outcome):
    assert record(outcome=outcome.value).outcome is outcome


def test_a_record_of_a_newer_schema_is_refused_before_anything_in_it_is_read():
    with pytest.raises(RecordTooNew) as caught:
        run_record("a", {"schema": str(SCHEMA + 1), "stage": "approving"}, ["{"], {"x": "y"})
    assert (caught.value.run_key, caught.value.schema, caught.value.known) == ("a", SCHEMA + 1, SCHEMA)


def test_an_event_is_read_with_its_time_and_data():
    found = Transition.load(f'{{"seq":3,"at_ms":{NOW_MS},"type":"run.created","run_id":"r","n":1}}')
    assert found == Transition(3, utc(NOW_MS), "run.created", {"run_id": "r", "n": 1})
    assert found.at.tzinfo is UTC


def test_events_keep_their_order():
    texts = [f'{{"seq":{n},"at_ms":{NOW_MS},"type":"a.b"}}' for n in (1, 2, 3)]
    assert [event.seq for event in record(texts).transitions] == [1, 2, 3]


def test_calls_stand_in_the_order_of_round_and_index_as_numbers():
    places = [(2, 0), (10, 1), (10, 0), (1, 11), (1, 2)]
    rows = {f"{round_}:{index}:tool": f"t{round_}.{index}" for round_, index in places}
    found = tool_calls(rows | {"1:size": "12", "2:size": "1", "10:size": "2"})
    assert [(call.round, call.index) for call in found] == [(1, 2), (1, 11), (2, 0), (10, 0), (10, 1)]
    assert [call.tool for call in found] == ["t1.2", "t1.11", "t2.0", "t10.0", "t10.1"]


def test_a_call_is_shown_whole():
    row = {
        "state": "submitted", "tool_call_id": "c", "type": "function", "tool": "add", "arguments": '{"a":[]}',
        "attempts": "2", "output": "", "kind": "ok", "error": "", "worker": "w", "claimed_ms": str(NOW_MS),
        "settled_ms": str(NOW_MS + 1), "token": "secret", "queue": "tools",
    }  # fmt: skip
    (found,) = tool_calls({f"1:0:{name}": value for name, value in row.items()})
    assert found == ToolCallRecord(
        round=1, index=0, tool_call_id="c", type="function", tool="add", arguments='{"a":[]}',
        state=CallState.SUBMITTED, attempts=2, output="", kind="ok", error=None, worker="w",
        claimed_at=utc(NOW_MS), settled_at=utc(NOW_MS + 1),
    )  # fmt: skip


def test_a_call_that_was_never_begun_has_no_output_and_no_times():
    (found,) = tool_calls({"1:0:state": "withdrawn", "1:0:tool": "add"})
    assert (found.output, found.error, found.claimed_at, found.settled_at) == (None,) * 4
    assert found.attempts == 0
    assert found.state is CallState.WITHDRAWN


def test_a_row_field_with_colons_in_it_is_one_field():
    assert [call.tool for call in tool_calls({"1:0:tool": "a", "1:0:a:b": "x"})] == ["a"]


@pytest.mark.parametrize(
    "answer",
    [
        ProviderAnswer(),
        ProviderAnswer(429, "Too Many Requests", {"retry-after": "1"},
                       {"message": "grüß", "type": None, "param": None, "code": "x"}),
    ],
)  # fmt: skip
def test_an_answer_is_read_back_as_it_was_written(answer):
    assert ProviderAnswer.load(answer.dump()) == answer


def test_times_are_utc_and_zero_is_none():
    assert utc("0") == datetime(1970, 1, 1, tzinfo=UTC)
    assert utc_or_none("0") is utc_or_none("") is utc_or_none(None) is None
    assert utc_or_none("1") == utc(1)
