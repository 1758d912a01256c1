"""One look at an unchanged run: the provider's read beside a bare GET and parse over the same transport."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from config.profile import Profile
from threadrun.testing import LocalStack
from worker.profiles import provider_for
from worker.providers.base import Yes

TIMES = 1_000
ROUNDS = 5
AT_ONCE = 10
"""How many reads are under way at a time, as in a busy worker."""

HEADERS = {"Authorization": "Bearer local", "OpenAI-Beta": "assistants=v2"}


@dataclass(frozen=True, slots=True)
class OnePoll:
    """Tell the CPU of one read, in this process alone."""

    bare_ms: float
    """GET and `json.loads`."""
    provider_ms: float
    """GET, deadline, caps, headers, and a parsed Run."""
    ratio: float
    """The median of the ratios within each round."""


def one_poll() -> OnePoll:
    """Read one run many times in both ways, by turns."""
    with LocalStack(runs_workers=0, tools_workers=0) as stack:
        return asyncio.run(_measure(stack.server_url))


async def _measure(base_url: str) -> OnePoll:
    thread_id, run_id = await _thinking_run(base_url)
    profile = Profile(base_url=base_url, api_key=SecretStr("local"))
    provider = provider_for("default", profile)
    transport = AiohttpTransport()
    url = httpx.URL(f"{base_url}/threads/{thread_id}/runs/{run_id}")
    headers = httpx.Headers(HEADERS)

    async def bare() -> None:
        response = await transport.handle_async_request(httpx.Request("GET", url, headers=headers))
        assert json.loads(await response.aread())["status"] == "in_progress"

    async def ours() -> None:
        assert isinstance(await provider.get_run(thread_id, run_id), Yes)

    try:
        rounds = [(await _cpu_ms(bare), await _cpu_ms(ours)) for _ in range(ROUNDS + 1)][1:]
    finally:
        await transport.aclose()
        await provider.close()
    return OnePoll(
        bare_ms=median(below for below, _ in rounds),
        provider_ms=median(above for _, above in rounds),
        ratio=median(above / below for below, above in rounds),
    )


async def _cpu_ms(read: Callable[[], Awaitable[None]]) -> float:
    began = time.process_time()
    for _ in range(TIMES // AT_ONCE):
        await asyncio.gather(*(read() for _ in range(AT_ONCE)))
    return 1000 * (time.process_time() - began) / TIMES


async def _thinking_run(base_url: str) -> tuple[str, str]:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        messages = [{"role": "user", "content": "think 3600\nsay Done."}]
        thread = (await http.post(f"{base_url}/threads", json={"messages": messages})).json()
        asked = {"assistant_id": "asst_demo"}
        run = (await http.post(f"{base_url}/threads/{thread['id']}/runs", json=asked)).json()
        return thread["id"], run["id"]
