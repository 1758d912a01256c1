"""Enqueue runs and read their records, from sync and asyncio code."""

from threadrun.client.aio import AsyncRunClient, AsyncRunHandle
from threadrun.client.enqueueing import RunOptions
from threadrun.client.pauses import PauseStats
from threadrun.client.purging import Purged
from threadrun.client.quarantine import Quarantined
from threadrun.client.stats import AgendaStats, Stats, WorkerStats
from threadrun.client.survey import Survey
from threadrun.client.sync import RunClient, RunHandle
from threadrun.client.waiting import CallWait, WaitsFor

__all__ = [
    "AgendaStats",
    "AsyncRunClient",
    "AsyncRunHandle",
    "CallWait",
    "PauseStats",
    "Purged",
    "Quarantined",
    "RunClient",
    "RunHandle",
    "RunOptions",
    "Stats",
    "Survey",
    "WaitsFor",
    "WorkerStats",
]
