"""Everything that a caller can set arrives at the server, and everything that a run wrote is in its record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.engine.canned import EMPTY, RUN, Canned, answered_by
from threadrun.models import (
    FileCitationAnnotation,
    FileSearchToolCall,
    ImageFilePart,
    TextPart,
)
from threadrun.request import RunRequest
from threadrun.status import Outcome
from threadrun.testing import AzureAgentsDialect as AzureServer
from threadrun.testing.dialect import Dialect as OpenAIServer
from worker.providers.dialects import AzureAgentsDialect, OpenAIDialect

CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is on it? ☃"},
            {"type": "image_file", "image_file": {"file_id": "file_1", "detail": "high"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
        ],
        "attachments": [{"file_id": "file_2", "tools": [{"type": "file_search"}]}],
        "metadata": {"page": "7"},
    },
    {"role": "assistant", "content": "A cat."},
]
RESOURCES = {"file_search": {"vector_store_ids": ["vs_1"]}, "code_interpreter": {"file_ids": ["file_3"]}}
TOOLS = [
    {"type": "code_interpreter"},
    {
        "type": "file_search",
        "file_search": {"max_num_results": 5, "ranking_options": {"score_threshold": 0.5}},
    },
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}, "strict": True}},
]
SET: dict[str, Any] = {
    "model": "gpt-4o",
    "instructions": "Be brief.",
    "additional_instructions": "Be kind.",
    "tools": TOOLS,
    "temperature": 0.5,
    "top_p": 1.0,
    "max_prompt_tokens": 256,
    "max_completion_tokens": 1000,
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "tool_choice": {"type": "function", "function": {"name": "add"}},
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "description": "d", "schema": {"type": "object"}, "strict": True},
    },
}
EFFORT = {"reasoning_effort": "low"}
METADATA = {"team": "blue"}

MESSAGE = {
    "id": "msg_1",
    "object": "thread.message",
    "created_at": 1699063290,
    "thread_id": "t_1",
    "run_id": "run_1",
    "assistant_id": "asst",
    "role": "assistant",
    "content": [
        {"type": "image_file", "image_file": {"file_id": "file_9"}},
        {
            "type": "text",
            "text": {
                "value": "See 【0†a.pdf】 and sandbox:/b.csv.",
                "annotations": [
                    {"type": "file_citation", "text": "【0†a.pdf】", "start_index": 4, "end_index": 13,
                     "file_citation": {"file_id": "file_4", "quote": "q"}},
                    {"type": "file_path", "text": "sandbox:/b.csv", "start_index": 18, "end_index": 32,
                     "file_path": {"file_id": "file_5"}},
                    {"type": "of_tomorrow", "text": "x", "of_tomorrow": [1.50]},
                ],
            },
        },
    ],
    "attachments": [{"file_id": "file_5", "tools": [{"type": "code_interpreter"}]}],
    "metadata": {},
}  # fmt: skip
FOUND = {
    "file_id": "file_4",
    "file_name": "a.pdf",
    "score": 0.9,
    "content": [{"type": "text", "text": "found ☃"}],
}
STEP = {
    "id": "step_1",
    "object": "thread.run.step",
    "run_id": "run_1",
    "type": "tool_calls",
    "status": "completed",
    "step_details": {
        "type": "tool_calls",
        "tool_calls": [
            {"id": "c", "type": "file_search", "file_search": {"ranking_options": {}, "results": [FOUND]}}
        ],
    },
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def serve_add(backend: Any) -> None:
    """Publish the one tool with its definition, as a worker does."""
    entry = {"definition": TOOLS[2], "queue": "tools", "timeout_seconds": 60.0, "idempotent": False}
    backend.sync.delete(backend.keys.tools())
    backend.sync.hset(backend.keys.tools(), "add", json.dumps(entry))


@pytest.mark.parametrize("thread_id", ["t_1", None])
@pytest.mark.parametrize(
    ("dialect", "server", "taken"),
    [(OpenAIDialect(), OpenAIServer(), EFFORT), (AzureAgentsDialect(), AzureServer(), {})],
    ids=["openai", "azure"],
)
async def test_everything_that_can_be_set_arrives(new_house, dialect, server, taken, thread_id) -> None:
    canned = Canned()
    async with answered_by(canned.answer, dialect) as provider:
        house = new_house(provider)
        serve_add(house.backend)
        to_run = thread_id is None or dialect.resources_of_thread is False
        more = {"tool_resources": RESOURCES} if to_run else {}
        key = house.enqueue(
            thread_id=thread_id,
            messages=MESSAGES,
            metadata=METADATA,
            include=[CONTENT],
            **SET,
            **taken,
            **more,
        )
        await house.carry()

    ((query, sent),) = canned.sent["create_run"]
    body = json.loads(sent)
    added = {"additional_messages": MESSAGES} if thread_id else {}
    of_run = more if not dialect.resources_of_thread else {}
    metadata = {"metadata": METADATA | {"threadrun_key": key}}
    assert body == {"assistant_id": "asst", **SET, **taken, **of_run, **added, **metadata}
    server.run_body(body, "")  # the bundled server is strict about names and types
    assert query["include[]"] == [CONTENT]
    assert [asked["include[]"] for asked, _ in canned.sent["steps"]] == [[CONTENT]]
    threads = [json.loads(text) for _, text in canned.sent["create_thread"]]
    of_thread = more if dialect.resources_of_thread else {}
    new = {"messages": MESSAGES, "metadata": {"threadrun_key": key}, **of_thread}
    assert threads == ([] if thread_id else [new])


def test_the_test_sets_whatever_can_be_set() -> None:
    wire = set(RunRequest.model_fields) - {
        "profile", "deadline_seconds", "thread_strategy", "on_done", "mcp_approvals",
    }  # fmt: skip
    others = {"assistant_id", "thread_id", "messages", "metadata", "include", "tool_resources"}
    assert {*SET, *EFFORT, *others} == wire


async def test_what_the_run_wrote_is_in_its_record_as_it_was_sent(new_house) -> None:
    canned = Canned(steps=[{**EMPTY, "data": [STEP]}], messages=[{**EMPTY, "data": [MESSAGE]}])
    async with answered_by(canned.answer) as provider:
        house = new_house(provider)
        key = house.enqueue(include=[CONTENT])
        await house.carry()
    record = house.record(key)

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    assert record.run_id == RUN["id"]
    (message,) = record.messages
    assert json.dumps(message.to_wire()) == json.dumps(MESSAGE)
    image, text = message.content
    assert isinstance(image, ImageFilePart)
    assert image.image_file is not None
    assert image.image_file.file_id == "file_9"
    assert isinstance(text, TextPart)
    citation = text.annotations[0]
    assert isinstance(citation, FileCitationAnnotation)
    assert citation.file_citation is not None
    assert citation.file_citation.file_id == "file_4"
    assert [attachment.file_id for attachment in message.attachments] == ["file_5"]
    (step,) = record.steps
    assert json.dumps(step.to_wire()) == json.dumps(STEP)
    (call,) = step.tool_calls
    assert isinstance(call, FileSearchToolCall)
    assert call.to_wire()["file_search"]["results"] == [FOUND]
