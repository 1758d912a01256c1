"""The request bodies of the wire, as checks.

Names, limits and patterns are those of OpenAI's published schemas: CreateAssistantRequest,
CreateThreadRequest, CreateMessageRequest, CreateRunRequest, CreateThreadAndRunRequest and
SubmitToolOutputsRunRequest.
"""

from __future__ import annotations

from typing import Any

from threadrun.testing.checks import (
    Check,
    any_object,
    array,
    boolean,
    by_type,
    decimal,
    either,
    fields,
    integer,
    metadata,
    optional,
    text,
    word,
)
from threadrun.testing.objects import JsonObject
from threadrun.testing.refusals import missing_parameter, streaming

MAX_TEXT = 256_000
"""Characters of instructions and of a message's text."""

MAX_OUTPUT = 1_048_576
"""Characters of one tool output."""

_NAME = text(64, "^[a-zA-Z0-9_-]+$")


def _no_streaming(value: Any, path: str) -> bool:
    if boolean(value, path):
        raise streaming()
    return False


def _function_tool(value: Any, path: str) -> JsonObject:
    function = fields(
        {"name": _NAME, "description": text(), "parameters": any_object, "strict": optional(boolean)},
        ["name"],
    )
    tool: JsonObject = fields({"type": text(), "function": function}, ["function"])(value, path)
    # Recorded replies give `strict` back although it was not sent.
    return {
        "type": "function",
        "function": {**tool["function"], "strict": tool["function"].get("strict") or False},
    }


_TOOL = by_type(
    {
        "code_interpreter": fields({"type": text()}),
        "file_search": fields({"type": text(), "file_search": any_object}),
        "function": _function_tool,
    }
)

_AZURE_KINDS = (
    "azure_ai_search", "azure_function", "bing_custom_search", "bing_grounding", "browser_automation",
    "code_interpreter", "computer_use_preview", "connected_agent", "deep_research", "fabric_dataagent",
    "file_search", "mcp", "openapi", "sharepoint_grounding",
)  # fmt: skip
_AZURE_TOOL = by_type({"function": _function_tool, **dict.fromkeys(_AZURE_KINDS, any_object)})

_TEXT_PART = fields({"type": text(), "text": text(MAX_TEXT)}, ["text"])


def _text_part(value: Any, path: str) -> JsonObject:
    return _written(_TEXT_PART(value, path)["text"])


def _written(value: str) -> JsonObject:
    return {"type": "text", "text": {"value": value, "annotations": []}}


_PART = by_type(
    {
        "text": _text_part,
        "image_file": fields({"type": text(), "image_file": any_object}, ["image_file"]),
        "image_url": fields({"type": text(), "image_url": any_object}, ["image_url"]),
    }
)


def _content(value: Any, path: str) -> list[JsonObject]:
    if isinstance(value, list):
        parts: list[JsonObject] = array(_PART)(value, path)
        return parts
    return [_written(text(MAX_TEXT)(value, path))]


_MESSAGE: dict[str, Check] = {
    "role": word("user", "assistant"),
    "content": _content,
    "attachments": optional(array(any_object)),
    "metadata": metadata,
}

_TRUNCATION = fields({"type": word("auto", "last_messages"), "last_messages": optional(integer(1))}, ["type"])
_TOOL_CHOICE = either(
    dict,
    by_type(
        {
            "code_interpreter": fields({"type": text()}),
            "file_search": fields({"type": text()}),
            "function": fields({"type": text(), "function": fields({"name": _NAME}, ["name"])}, ["function"]),
        }
    ),
    word("none", "auto", "required"),
)
_JSON_SCHEMA = fields(
    {"name": _NAME, "description": text(), "schema": any_object, "strict": optional(boolean)}, ["name"]
)
_RESPONSE_FORMAT = either(
    dict,
    by_type(
        {
            "text": fields({"type": text()}),
            "json_object": fields({"type": text()}),
            "json_schema": fields({"type": text(), "json_schema": _JSON_SCHEMA}, ["json_schema"]),
        }
    ),
    word("auto"),
)
_EFFORT = word("none", "minimal", "low", "medium", "high", "xhigh", "max")

_SAMPLING: dict[str, Check] = {
    "temperature": optional(decimal(0, 2)),
    "top_p": optional(decimal(0, 1)),
    "response_format": optional(_RESPONSE_FORMAT),
    "metadata": metadata,
}
_RUN: dict[str, Check] = {
    **_SAMPLING,
    "assistant_id": text(),
    "model": optional(text()),
    "instructions": optional(text(MAX_TEXT)),
    "tools": optional(array(_TOOL, max_length=20)),
    "max_prompt_tokens": optional(integer(256)),
    "max_completion_tokens": optional(integer(256)),
    "truncation_strategy": optional(_TRUNCATION),
    "tool_choice": optional(_TOOL_CHOICE),
    "parallel_tool_calls": boolean,
    "stream": optional(_no_streaming),
}

MESSAGE = fields(_MESSAGE, ["role", "content"])
"""The body of POST …/messages."""

THREAD = fields({"messages": array(MESSAGE), "metadata": metadata, "tool_resources": optional(any_object)})
"""The body of POST /threads."""

_ASSISTANT: dict[str, Check] = {
    **_SAMPLING,
    "model": text(),
    "name": optional(text(256)),
    "description": optional(text(512)),
    "instructions": optional(text(MAX_TEXT)),
    "tools": array(_TOOL, max_length=128),
    "tool_resources": optional(any_object),
    "reasoning_effort": optional(_EFFORT),
}

ASSISTANT = fields(_ASSISTANT, ["model"])
"""The body of POST /assistants."""

AZURE_ASSISTANT = fields({**_ASSISTANT, "tools": array(_AZURE_TOOL, max_length=128)}, ["model"])
"""The same at Azure's agent service."""

RUN = fields(
    {
        **_RUN,
        "additional_instructions": optional(text(MAX_TEXT)),
        "additional_messages": optional(array(MESSAGE)),
        "reasoning_effort": optional(_EFFORT),
    },
    ["assistant_id"],
)
"""The body of POST …/runs."""

AZURE_RUN = fields(
    {
        **_RUN,
        "tools": optional(array(_AZURE_TOOL)),
        "tool_resources": optional(any_object),
        "additional_instructions": optional(text(MAX_TEXT)),
        "additional_messages": optional(array(MESSAGE)),
    },
    ["assistant_id"],
)
"""The same at Azure's agent service (azure-ai-agents' create_run)."""

THREAD_AND_RUN = fields({**_RUN, "thread": THREAD, "tool_resources": optional(any_object)}, ["assistant_id"])
"""The body of POST /threads/runs."""

MODIFY = fields({"metadata": metadata})
"""The body of POST …/runs/{run_id}, …/messages/{message_id} and /threads/{thread_id}."""

_SUBMITTED = fields(
    {
        "tool_outputs": array(
            fields({"tool_call_id": text(), "output": text(MAX_OUTPUT)}, ["tool_call_id", "output"])
        ),
        "tool_approvals": array(
            fields(
                {"tool_call_id": text(), "approve": boolean, "headers": any_object},
                ["tool_call_id", "approve"],
            )
        ),
        "stream": optional(_no_streaming),
    }
)


def submitted(value: Any, path: str) -> JsonObject:
    """Check the body of POST …/submit_tool_outputs: outputs, or approvals as Azure's agent service takes them."""
    body: JsonObject = _SUBMITTED(value, path)
    if ("tool_outputs" in body) == ("tool_approvals" in body):
        raise missing_parameter("tool_outputs")
    return body
