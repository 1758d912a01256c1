"""A provider whose every answer is noted, so that all workers learn how it is doing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from threadrun.models import Message, Page, Run, RunStep
from threadrun.request import RunRequest
from worker.permits import Permits
from worker.providers.base import Provider, Reply, ToolAnswer
from worker.store.gates import Kind

T = TypeVar("T")


class WatchedProvider:
    """Pass each request on, and note how it was answered; see `Provider` for the methods."""

    def __init__(self, provider: Provider, permits: Permits) -> None:
        self.capabilities = provider.capabilities
        self._provider = provider
        self._permits = permits

    async def create_thread(self, request: RunRequest, *, run_key: str) -> Reply[str]:
        """See Provider."""
        return await self._noted(Kind.POST, self._provider.create_thread(request, run_key=run_key))

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        """See Provider."""
        return await self._noted(Kind.POST, self._provider.create_run(thread_id, request, run_key=run_key))

    async def get_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """See Provider."""
        return await self._noted(Kind.GET, self._provider.get_run(thread_id, run_id))

    async def list_runs(self, thread_id: str, *, after: str | None = None) -> Reply[Page[Run]]:
        """See Provider."""
        return await self._noted(Kind.GET, self._provider.list_runs(thread_id, after=after))

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, outputs: Sequence[ToolAnswer]
    ) -> Reply[Run]:
        """See Provider."""
        return await self._noted(Kind.POST, self._provider.submit_tool_outputs(thread_id, run_id, outputs))

    async def cancel_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """See Provider."""
        return await self._noted(Kind.POST, self._provider.cancel_run(thread_id, run_id))

    async def list_steps(
        self, thread_id: str, run_id: str, *, after: str | None = None, include: Sequence[str] = ()
    ) -> Reply[Page[RunStep]]:
        """See Provider."""
        steps = self._provider.list_steps(thread_id, run_id, after=after, include=include)
        return await self._noted(Kind.GET, steps)

    async def list_messages(
        self, thread_id: str, run_id: str, *, after: str | None = None
    ) -> Reply[Page[Message]]:
        """See Provider."""
        return await self._noted(Kind.GET, self._provider.list_messages(thread_id, run_id, after=after))

    async def close(self) -> None:
        """See Provider."""
        await self._provider.close()

    async def _noted(self, kind: Kind, request: Awaitable[Reply[T]]) -> Reply[T]:
        began = time.monotonic()
        reply = await request
        await self._permits.note(kind, reply, time.monotonic() - began)
        return reply
