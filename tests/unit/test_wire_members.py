"""Every member of other clients' types has the place that docs/members.md names, and survives a round trip."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import threadrun.models
from tests.unit.raw_server import answering, raw_server
from threadrun.models import Run, RunStep, WireModel
from threadrun.records import ProviderAnswer, RunRecord, run_record
from worker.providers import AssistantsProvider, ProfileConnection
from worker.providers.base import Yes
from worker.providers.error_bodies import read_error

DOCUMENT = Path(__file__).parents[2] / "docs" / "members.md"

RUN: Mapping[str, Any] = {
    "id": "run_1", "object": "thread.run", "created_at": 1_790_000_001, "thread_id": "thread_1",
    "assistant_id": "asst_1", "status": "requires_action", "expires_at": 1_790_000_601,
    "started_at": 1_790_000_002, "cancelled_at": 1_790_000_003, "failed_at": 1_790_000_004,
    "completed_at": 1_790_000_005, "model": "gpt-x", "instructions": "Be kind.", "temperature": 0.5, "top_p": 1,
    "max_prompt_tokens": 256, "max_completion_tokens": 512, "parallel_tool_calls": False,
    "metadata": {"team": "a"}, "tool_resources": {"code_interpreter": {"file_ids": ["file_1"]}},
    "required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
        },
    },
    "last_error": {"code": "server_error", "message": "Sorry."},
    "incomplete_details": {"reason": "max_prompt_tokens"},
    "response_format": {"type": "json_object"},
    "tool_choice": {"type": "function", "function": {"name": "add"}},
    "tools": [{"type": "code_interpreter"}],
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}  # fmt: skip
STEP: Mapping[str, Any] = {
    "id": "step_1", "object": "thread.run.step", "created_at": 1_790_000_011, "run_id": "run_1",
    "assistant_id": "asst_1", "thread_id": "thread_1", "type": "tool_calls", "status": "expired",
    "expires_at": 1_790_000_012, "completed_at": 1_790_000_013, "cancelled_at": 1_790_000_014,
    "failed_at": 1_790_000_015, "metadata": {"team": "b"},
    "step_details": {
        "type": "tool_calls",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", "output": None}}],
    },
    "last_error": {"code": "rate_limit_exceeded", "message": "Slow down."},
    "usage": {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9},
}  # fmt: skip
STATUSES = [(None, False), (199, False), (200, True), (299, True), (300, False)]
ENVELOPE = {
    "http_status": 404,
    "reason": "Not Found",
    "headers": {"x-request-id": "req_1"},
    "successful": False,
    "error": {"message": "No run found.", "type": "invalid_request_error", "param": None, "code": None},
    "error_message": "No run found.",
}


def rows(title: str) -> list[tuple[str, str, str]]:
    """Read a table of the document: member, wire name, our attribute."""
    section = DOCUMENT.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:1] == "|"
    ]
    return [(member, wire.strip("`"), ours.strip("`")) for member, wire, ours, _ in cells[2:]]


def members(title: str) -> Any:
    found = rows(title)
    return pytest.mark.parametrize(("member", "wire", "ours"), found, ids=[row[0] for row in found])


def stored() -> RunRecord:
    """A record as the store gives it back."""
    answer = {name: value for name, value in ENVELOPE.items() if name not in {"successful", "error_message"}}
    fields = {
        "schema": "1", "profile": "default", "stage": "done", "created_ms": "1790000000000",
        "deadline_ms": "1790000600000", "request": '{"assistant_id":"asst_1","thread_id":"thread_1"}',
        "run": json.dumps(RUN), "steps": json.dumps([STEP]), "last_answer": ProviderAnswer(**answer).dump(),
    }  # fmt: skip
    return run_record("a", fields, [], {})


def ours_of(record: RunRecord, path: str) -> Any:
    return (
        attrgetter(path.removeprefix("steps[0]."))(record.steps[0])
        if path[:5] == "steps"
        else attrgetter(path)(record)
    )


def plain(value: Any) -> Any:
    """Give a value back as JSON has it."""
    if isinstance(value, WireModel):
        return value.to_wire()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def check(source: Mapping[str, Any], member: str, wire: str, ours: str) -> None:
    found = ours_of(stored(), ours)
    if wire == "envelope":
        assert found == ENVELOPE[ours.rpartition(".")[2]]
    elif member == "RequiredActions":
        assert plain(found) == RUN["required_action"]["submit_tool_outputs"]["tool_calls"]
    else:
        assert source[wire] is not None
        assert plain(found) == source[wire]


@members("Aspose.Pdf.AI RunResponse")
def test_a_member_of_run_response_has_its_place(member: str, wire: str, ours: str) -> None:
    check(RUN, member, wire, ours)


@members("Aspose.Pdf.AI RunStepResponse")
def test_a_member_of_run_step_response_has_its_place(member: str, wire: str, ours: str) -> None:
    check(STEP, member, wire, ours)


@members("Azure.AI.Projects ThreadRun")
def test_a_member_of_thread_run_has_its_place(member: str, wire: str, ours: str) -> None:
    check(RUN, member, wire, ours)


@members("Its tool definitions")
def test_a_tool_definition_has_its_class_and_loses_nothing(member: str, wire: str, ours: str) -> None:
    shown = {"type": wire, wire: {"name": "n", "connections": [{"connection_id": "c"}]}, "later": [1.0]}
    run = Run.from_wire({**RUN, "tools": [shown]})

    assert type(run.tools[0]) is getattr(threadrun.models, ours)
    assert json.dumps(run.tools[0].to_wire()) == json.dumps(shown)


@members("Its methods")
def test_a_method_of_thread_run_has_its_counterpart(member: str, wire: str, ours: str) -> None:
    text = json.dumps({**RUN, "unknown": {"number": 1.50}}, separators=(",", ":"))
    read = Run.from_wire(text)
    results = {"Run.from_wire": read.id, "Run.to_wire_json": read.to_wire_json()}
    assert results[ours] == {"Run.from_wire": "run_1", "Run.to_wire_json": text}[ours]


@members("The cancel operation")
async def test_a_part_of_the_cancel_operation_is_sent_and_read(member: str, wire: str, ours: str) -> None:
    answer = json.dumps({**RUN, "status": "cancelling"}).encode()
    async with raw_server(answering(answer)) as server:
        provider = AssistantsProvider(ProfileConnection("default", f"{server.url}/v1"))
        reply = await provider.cancel_run("thread_1", "run_1")
        await provider.close()

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert isinstance(reply, Yes)
    found = {
        "thread_id": re.search(rb"/threads/(\w+)/", head)[1].decode(),  # type: ignore[index]
        "run_id": re.search(rb"/runs/(\w+)/cancel ", head)[1].decode(),  # type: ignore[index]
        "run": reply.value.status,
    }
    assert found[ours] == {"thread_id": "thread_1", "run_id": "run_1", "run": "cancelling"}[ours]
    assert body == b""


def test_a_detail_is_read_as_the_error_s_message() -> None:
    error = read_error(b'{"detail": "Run is in status completed"}')
    assert ProviderAnswer(http_status=400, error=error).error_message == "Run is in status completed"


@pytest.mark.parametrize(
    ("status", "successful"), [(None, False), (199, False), (200, True), (299, True), (300, False)]
)
def test_an_answer_is_successful_by_its_status(status: int | None, successful: bool) -> None:
    assert ProviderAnswer(http_status=status).successful is successful


def test_the_expiry_of_a_step_is_read_under_either_name() -> None:
    published = {name: value for name, value in STEP.items() if name != "expires_at"}
    assert RunStep.from_wire({**published, "expired_at": 7}).expired_at == 7


def test_every_member_of_the_four_published_types_is_listed() -> None:
    listed = {title: {member for member, _, _ in rows(title)} for title in (
        "Aspose.Pdf.AI RunResponse", "Aspose.Pdf.AI RunStepResponse", "Azure.AI.Projects ThreadRun",
    )}  # fmt: skip
    envelope = "Detail Error ErrorMessage HttpResponseHeaders HttpStatusCode IsSuccessful ReasonPhrase"
    shared = (
        "AssistantId CancelledAt CompletedAt CreatedAt FailedAt Id LastError Metadata Status ThreadId Usage"
    )
    of_run = (
        "ExpiresAt IncompleteDetails Instructions MaxCompletionTokens MaxPromptTokens Model RequiredAction"
        " ResponseFormat StartedAt Temperature ToolChoice Tools TopP TruncationStrategy"
    )
    assert listed == {
        "Aspose.Pdf.AI RunResponse": {*f"{envelope} {shared} {of_run} Object".split()},
        "Aspose.Pdf.AI RunStepResponse": {
            *f"{envelope} {shared} ExpiredAt Object RunId RunStepType StepDetails".split()
        },
        "Azure.AI.Projects ThreadRun": {
            *f"{shared} {of_run} ParallelToolCalls RequiredActions ToolResources".split()
        },
    }
