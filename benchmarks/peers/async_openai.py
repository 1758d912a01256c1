"""openai's `AsyncOpenAI` in one asyncio process: `create_and_poll`, `submit_tool_outputs_and_poll`, and the messages.

All settings are the library's own: it polls once a second unless the server hints otherwise.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from collections.abc import Sequence

from openai import AsyncOpenAI
from openai.types.beta import AssistantToolParam
from openai.types.beta.threads import Run
from openai.types.beta.threads.run_submit_tool_outputs_params import ToolOutput

from benchmarks.driver import Ended, serve
from benchmarks.workload import TOOL, Plan, answer_of

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


async def carry(client: AsyncOpenAI, plans: Sequence[Plan]) -> list[Ended]:
    """Carry all runs on one loop, each begun at its time."""
    start = asyncio.get_running_loop().time()
    return await asyncio.gather(*(_carry_one(client, start, plan) for plan in plans))


async def _carry_one(client: AsyncOpenAI, start: float, plan: Plan) -> Ended:
    await asyncio.sleep(start + plan.at_seconds - asyncio.get_running_loop().time())
    began_at = time.time()
    thread = await client.beta.threads.create(messages=[{"role": "user", "content": plan.script}])
    run = await client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id="asst_demo", tools=[LOOKUP]
    )
    while run.status == "requires_action":
        run = await client.beta.threads.runs.submit_tool_outputs_and_poll(
            thread_id=thread.id, run_id=run.id, tool_outputs=_outputs(run)
        )
    messages = await client.beta.threads.messages.list(thread_id=thread.id, run_id=run.id)
    written = (part for message in messages.data for part in message.content)
    text = "".join(part.text.value for part in written if part.type == "text")
    return Ended(run.id, began_at, time.time(), text)


def _outputs(run: Run) -> list[ToolOutput]:
    required = run.required_action
    calls = required.submit_tool_outputs.tool_calls if required else []
    return [
        {"tool_call_id": call.id, "output": answer_of(**json.loads(call.function.arguments))}
        for call in calls
    ]


def main(server_url: str) -> None:
    """Serve with one client on one loop, as a service would that lives for long."""
    warnings.simplefilter("ignore", DeprecationWarning)  # the client calls all of this API deprecated
    client = AsyncOpenAI(base_url=server_url, api_key="local")
    with asyncio.Runner() as runner:
        serve(lambda plans: runner.run(carry(client, plans)))
        runner.run(client.close())


if __name__ == "__main__":
    main(sys.argv[1])
