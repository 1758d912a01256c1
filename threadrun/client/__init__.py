"""Enqueue runs and read their records, from sync and asyncio code."""

from threadrun.client.aio import AsyncRunClient, AsyncRunHandle
from threadrun.client.enqueueing import RunOptions
from threadrun.client.stats import AgendaStats, Stats, WorkerStats
from threadrun.client.sync import RunClient, RunHandle

__all__ = [
    "AgendaStats",
    "AsyncRunClient",
    "AsyncRunHandle",
    "RunClient",
    "RunHandle",
    "RunOptions",
    "Stats",
    "WorkerStats",
]
