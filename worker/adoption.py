"""Search a thread's runs for the one that a create of unknown outcome may have made."""

from __future__ import annotations

from collections.abc import Sequence

from threadrun.models import Run
from threadrun.request import RUN_KEY_METADATA
from worker.lease import BeforeRequest
from worker.providers.base import Provider, Reply, Yes
from worker.view import RunView

MAX_PAGES = 10
"""How many pages of 100 runs are searched, newest first; our run is among the newest."""


async def search(provider: Provider, run: RunView, before_request: BeforeRequest) -> Reply[tuple[Run, ...]]:
    """Read the thread's runs, newest first, until ours is found by the run key in its metadata.

    Raises:
        ClaimLost: Somebody else holds the run by now.
    """
    after: str | None = None
    runs: list[Run] = []
    for _ in range(MAX_PAGES):
        await before_request()
        reply = await provider.list_runs(run.thread_id or "", after=after)
        if not isinstance(reply, Yes):
            return reply
        page = reply.value
        runs += page.data
        if (found := candidates(runs, run)) or not page.has_more or not page.data:
            return Yes(found, reply.answer)
        after = page.last_id or page.data[-1].id
    return Yes(candidates(runs, run), reply.answer)


def candidates(runs: Sequence[Run], run: RunView) -> tuple[Run, ...]:
    """Pick the runs that may be ours.

    The run key in the metadata is proof. Only where a server gives no metadata back at all does a run of our
    assistant count, made since our intent; more than one cannot be told apart.
    """
    for one in runs:
        if (one.metadata or {}).get(RUN_KEY_METADATA) == run.key:
            return (one,)
    if run.progress.intent is None or any(one.metadata for one in runs):
        return ()
    # Wide enough for clocks that disagree by minutes: a wrong guess here would be worse than none.
    since_seconds = run.progress.intent.sent_ms / 1000 - 300
    return tuple(
        one
        for one in runs
        if one.assistant_id == run.assistant_id
        and one.created_at is not None
        and one.created_at >= since_seconds
    )
