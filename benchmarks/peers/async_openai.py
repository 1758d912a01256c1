"""openai's `AsyncOpenAI` in one asyncio process: `create_and_poll`, `submit_tool_outputs_and_poll`, and the messages.

All settings are the library's own: it polls once a second unless the server hints otherwise.
"""

from __future__ import annotations

import asyncio
import sys
import time
import warnings
from collections.abc import Sequence

from openai import AsyncOpenAI

from benchmarks.driver import Ended, serve
from benchmarks.peers.openai_tool import LOOKUP, outputs_of, text_of
from benchmarks.workload import Plan


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
            thread_id=thread.id, run_id=run.id, tool_outputs=outputs_of(run)
        )
    messages = await client.beta.threads.messages.list(thread_id=thread.id, run_id=run.id)
    return Ended(run.id, began_at, time.time(), text_of(messages.data))


def main(server_url: str) -> None:
    """Serve with one client on one loop, as a service would that lives for long."""
    warnings.simplefilter("ignore", DeprecationWarning)  # the client calls all of this API deprecated
    client = AsyncOpenAI(base_url=server_url, api_key="local")
    with asyncio.Runner() as runner:
        serve(lambda plans: runner.run(carry(client, plans)))
        runner.run(client.close())


if __name__ == "__main__":
    main(sys.argv[1])
