"""The floor: bare httpx over the same transport, in one process that keeps no records and survives nothing.

It sends the requests that lead to an answer and no other, at the moments that threadrun's default policy chooses. What
a durable worker costs above it is the price of its records, its Redis and its crash safety.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from benchmarks.driver import Ended, serve
from benchmarks.workload import TOOL, Plan, answer_of
from config.profile import PollSettings
from worker.profiles import poll_policy

HEADERS = {"Authorization": "Bearer local", "OpenAI-Beta": "assistants=v2"}

TIMEOUT_SECONDS = 60.0
"""It never gives a request up; there is nobody who would take the run on."""

POLICY = poll_policy(PollSettings())

DEFINITION = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "Look up how many trams a city has.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

WAITS = frozenset({"queued", "in_progress"})


class Bare:
    """Carry runs with nothing above the HTTP client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def carry(self, plans: Sequence[Plan]) -> list[Ended]:
        """Carry all runs on one loop, each begun at its time."""
        start = asyncio.get_running_loop().time()
        return await asyncio.gather(*(self._carry_one(start, plan) for plan in plans))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _carry_one(self, start: float, plan: Plan) -> Ended:
        await asyncio.sleep(start + plan.at_seconds - asyncio.get_running_loop().time())
        began_at = time.time()
        thread = await self._post("/threads", {"messages": [{"role": "user", "content": plan.script}]})
        runs = f"/threads/{thread['id']}/runs"
        run = await self._post(runs, {"assistant_id": "asst_demo", "tools": [DEFINITION]})
        path = f"{runs}/{run['id']}"
        run = await self._watch(path, run)
        while run["status"] == "requires_action":
            outputs = await self._post(f"{path}/submit_tool_outputs", {"tool_outputs": _outputs(run)})
            run = await self._watch(path, outputs)
        messages = await self._get(f"/threads/{thread['id']}/messages?run_id={run['id']}")
        text = "".join(part["text"]["value"] for message in messages["data"] for part in message["content"])
        return Ended(run["id"], began_at, time.time(), text)

    async def _watch(self, path: str, run: dict[str, Any]) -> dict[str, Any]:
        since = time.monotonic()
        while run["status"] in WAITS:
            now = time.monotonic()
            await asyncio.sleep(POLICY.delay_ms(round(1000 * (now - since)), f"{path}:{now}") / 1000)
            run = await self._get(path)
        return run

    async def _get(self, path: str) -> Any:
        return json.loads((await self._http.get(path)).raise_for_status().content)

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return json.loads((await self._http.post(path, json=body)).raise_for_status().content)


def _outputs(run: dict[str, Any]) -> list[dict[str, str]]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [
        {"tool_call_id": call["id"], "output": answer_of(**json.loads(call["function"]["arguments"]))}
        for call in calls
    ]


async def _open(server_url: str) -> Bare:
    return Bare(HttpxAiohttpClient(base_url=server_url, headers=HEADERS, timeout=TIMEOUT_SECONDS))


def main(server_url: str) -> None:
    """Serve with one client on one loop."""
    with asyncio.Runner() as runner:
        bare = runner.run(_open(server_url))
        serve(lambda plans: runner.run(bare.carry(plans)))
        runner.run(bare.close())


if __name__ == "__main__":
    main(sys.argv[1])
