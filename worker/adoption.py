"""Search a thread's runs for the one that a create of unknown outcome may have made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from threadrun.models import Run
from worker.echo import Echo, carries_key
from worker.lease import BeforeRequest
from worker.paging import Pages
from worker.providers.base import Provider, Reply, Yes
from worker.view import RunView

MAX_PAGES = 10
"""How many pages of 100 runs are searched, newest first; our run is among the newest."""


async def search(
    provider: Provider, run: RunView, before_request: BeforeRequest, echo: Echo
) -> Reply[tuple[Run, ...]]:
    """Read the thread's runs, newest first, until ours is found by the run key in its metadata.

    Raises:
        ClaimLost: Somebody else holds the run by now.
    """
    runs: Pages[Run] = Pages()
    for _ in range(MAX_PAGES):
        await before_request()
        reply = await provider.list_runs(run.thread_id or "", after=runs.after)
        if not isinstance(reply, Yes):
            return reply
        more = runs.add(reply.value)
        echo.saw_listed(run.assistant_id, reply.value.data)
        if (found := by_key(runs.entries, run.key)) or not more:
            return Yes(found or without_key(runs.entries, run), reply.answer)
    return Yes(without_key(runs.entries, run), reply.answer)


async def newest(provider: Provider, run: RunView, before_request: BeforeRequest) -> Reply[str]:
    """Read the id of the thread's newest run; empty if it has none.

    Raises:
        ClaimLost: Somebody else holds the run by now.
    """
    await before_request()
    reply = await provider.list_runs(run.thread_id or "")
    if not isinstance(reply, Yes):
        return reply
    return Yes(reply.value.data[0].id if reply.value.data else "", reply.answer)


def by_key(runs: Sequence[Run], run_key: str) -> tuple[Run, ...]:
    """Pick the newest run that carries our run key: that is proof."""
    return next(((one,) for one in runs if carries_key(one, run_key)), ())


def without_key(runs: Sequence[Run], run: RunView) -> tuple[Run, ...]:
    """Pick the runs that may be ours although no metadata comes back; more than one cannot be told apart.

    A thread that was made for this run holds no other's. On any other thread, and only where the server is known
    to keep metadata to itself, a run of our assistant counts that is newer than the newest one before our intent:
    by the order of the list, for the provider's clock says nothing about ours.
    """
    if any(one.metadata for one in runs):
        return ()
    if run.own_thread:
        return tuple(runs)
    before = run.progress.newest_before
    if run.metadata_echoed or before is None or run.progress.intent is None:
        return ()
    newer = tuple(takewhile(lambda one: one.id != before, runs))
    if before and len(newer) == len(runs):  # it is not in the list: nothing says what is newer
        return ()
    return tuple(one for one in newer if one.assistant_id == run.assistant_id)
