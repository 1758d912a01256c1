"""The benchmark's tool as a user of the openai client declares and serves it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from openai.types.beta import AssistantToolParam
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run_submit_tool_outputs_params import ToolOutput

from benchmarks.workload import TOOL, answer_of

LOOKUP: AssistantToolParam = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "Look up how many trams a city has.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def outputs_of(run: Run) -> list[ToolOutput]:
    """Answer each tool call that a run waits for."""
    required = run.required_action
    calls = required.submit_tool_outputs.tool_calls if required else []
    return [
        {"tool_call_id": call.id, "output": answer_of(**json.loads(call.function.arguments))}
        for call in calls
    ]


def text_of(messages: Iterable[Message]) -> str:
    """Join the texts of a run's messages."""
    written = (part for message in messages for part in message.content)
    return "".join(part.text.value for part in written if part.type == "text")
