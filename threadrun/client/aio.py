"""The client for asyncio code: FastAPI, Starlette, Django's async views. The twin of `threadrun.client.sync`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, Unpack

from redis.asyncio import Redis

from threadrun.audit import Audit, Evidence
from threadrun.client import quarantine, reading
from threadrun.client.auditing import audit
from threadrun.client.enqueueing import Enqueued, RunOptions
from threadrun.client.operation import Operation, Pause, T, run_async
from threadrun.client.operations import Operations, Refused
from threadrun.client.patience import Patience
from threadrun.client.purging import Purged, purge
from threadrun.client.quarantine import Quarantined
from threadrun.client.stats import Stats, stats
from threadrun.client.survey import Survey, survey
from threadrun.client.waiting import WaitsFor, waits_for
from threadrun.errors import InvalidRequest, Problem
from threadrun.keys import DEFAULT_PREFIX, Keys
from threadrun.records import RunRecord, RunSummary, Transition
from threadrun.redis_clients import connect_async
from threadrun.status import Outcome, RunStatus

FOLLOW_SECONDS = 0.2
"""How often a follower looks for new events."""


@dataclass(frozen=True, slots=True)
class AsyncRunHandle:
    """Stand for an enqueued run; keep its key, and it can be found again from anywhere."""

    key: str
    """The run key."""
    created: bool
    """False: the same request had been enqueued under this key before."""
    client: AsyncRunClient

    async def get(self) -> RunRecord:
        """Read the record as it is now; see AsyncRunClient.get."""
        return await self.client.get(self.key)

    async def wait(self, timeout: float | None = None) -> RunRecord:
        """Wait for the final record; see AsyncRunClient.wait."""
        return await self.client.wait(self.key, timeout)

    def events(self, after: int = 0, *, follow: bool = False) -> AsyncIterator[Transition]:
        """Read the events; see AsyncRunClient.events."""
        return self.client.events(self.key, after, follow=follow)

    async def cancel(self) -> bool:
        """Wish the run cancelled; see AsyncRunClient.cancel."""
        return await self.client.cancel(self.key)


class AsyncRunClient:
    """Enqueue runs and read their records.

    One client serves one event loop. It talks to Redis only, never to a provider or a worker;
    what it enqueues is safe as soon as `enqueue` returns, as long as Redis keeps its data.
    """

    def __init__(
        self, redis: Redis, *, key_prefix: str = DEFAULT_PREFIX, clock_key: str | None = None
    ) -> None:
        """Use a Redis client made with `decode_responses=True`; `from_url` makes a fitting one."""
        if not redis.connection_pool.connection_kwargs.get("decode_responses"):
            raise InvalidRequest([Problem("redis", "make the Redis client with decode_responses=True")])
        self._redis = redis
        self._operations = Operations(Keys(key_prefix), clock_key=clock_key)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        key_prefix: str = DEFAULT_PREFIX,
        sentinel_master: str | None = None,
        sentinel_password: str | None = None,
    ) -> Self:
        """Connect to Redis by URL, with the timeouts and retries that the workers use.

        Raises:
            SettingsInvalid: The URL cannot be used; the text does not repeat it.
        """
        redis = connect_async(url, sentinel_master=sentinel_master, sentinel_password=sentinel_password)
        return cls(redis, key_prefix=key_prefix)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Connect as THREADRUN_REDIS_URL and THREADRUN_KEY_PREFIX say, like the workers.

        With a sentinel:// URL, THREADRUN_REDIS_SENTINEL_MASTER and …_PASSWORD are read too.

        Raises:
            SettingsInvalid: The URL cannot be used; the text does not repeat it.
        """
        env = os.environ if environ is None else environ
        url = env.get("THREADRUN_REDIS_URL") or "redis://127.0.0.1:6379/0"
        return cls.from_url(
            url,
            key_prefix=env.get("THREADRUN_KEY_PREFIX") or DEFAULT_PREFIX,
            sentinel_master=env.get("THREADRUN_REDIS_SENTINEL_MASTER") or None,
            sentinel_password=env.get("THREADRUN_REDIS_SENTINEL_PASSWORD") or None,
        )

    async def _do(self, operation: Operation[T]) -> T:
        return await run_async(operation, self._redis)

    def _handle(self, enqueued: Enqueued) -> AsyncRunHandle:
        return AsyncRunHandle(enqueued.run_key, enqueued.created, self)

    async def enqueue(self, assistant_id: str, **options: Unpack[RunOptions]) -> AsyncRunHandle:
        """Enqueue a run; it is accepted once this returns.

        Messages alone: a new thread. A thread alone: it is run as it is. Both: the messages are added to it.

        Args:
            assistant_id: The assistant to run.
            options: What `RunOptions` names; every other create parameter of the wire among them.

        Raises:
            InvalidRequest: The request cannot work; nothing is stored.
            UnknownTool: A tool is named that no worker serves; the error lists those served.
            UnknownProfile: A profile is named that no worker serves.
            IdempotencyConflict: The key stands for another request.
            ThreadBusy: The thread has an active run and `thread_strategy` is "reject".
            RecordDamaged: What stands under the key is no record of ours.
            StoreUnavailable: Redis did not answer; repeat with the same idempotency_key.
        """
        return self._handle(await self._do(self._operations.enqueue(assistant_id, options)))

    async def enqueue_many(self, requests: Sequence[Mapping[str, Any]]) -> list[AsyncRunHandle | Refused]:
        """Enqueue many runs at once; each mapping holds what `enqueue` takes.

        All are checked first, which holds about 2 KB beside each request. Then they are sent in order, 64 together,
        while Redis works on the 64 before; whoever dies in between has enqueued those that were sent.

        Returns:
            For each request, in order, its handle, or the IdempotencyConflict or ThreadBusy that refused it.

        Raises:
            InvalidRequest: At least one request cannot work; its position leads each path; nothing is stored.
            StoreUnavailable: Redis did not answer, or not all; repeat with the same idempotency keys, and those that
                were accepted are found again.
        """
        answers = await self._do(self._operations.enqueue_many(requests))
        return [self._handle(one) if isinstance(one, Enqueued) else one for one in answers]

    async def replay(self, run_key: str, *, idempotency_key: str | None = None) -> AsyncRunHandle:
        """Enqueue a new run from the request of an old one.

        Raises:
            RunNotFound: No record stands under this key.
            InvalidRequest: The old request would be refused today.
            StoreUnavailable: Redis did not answer.
        """
        return self._handle(await self._do(self._operations.replay(run_key, idempotency_key)))

    async def get(self, run_key: str) -> RunRecord:
        """Read a record as it is now; once final it never changes.

        Raises:
            RunNotFound: No record stands under this key.
            RecordTooNew: A newer threadrun wrote it.
            RecordDamaged: Somebody changed it, and it cannot be read.
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(reading.get(self._operations.keys, run_key))

    async def list(
        self,
        *,
        status: RunStatus | Outcome | str | None = None,
        thread_id: str | None = None,
        profile: str = "default",
        since: datetime | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> list[RunSummary]:
        """List runs, newest first; a record too damaged to tell of itself is left out.

        Args:
            status: Only runs with this status or, once finished, this outcome; "none" before the first status.
            thread_id: Only runs of this thread, at `profile`.
            profile: The profile that `thread_id` belongs to.
            since: Only runs enqueued at or after this time.
            limit: 1 to 1000.
            after: Continue after this run key, the last of the page before.

        Raises:
            InvalidRequest: A filter cannot work.
            RunNotFound: `after` is not in this list.
            StoreUnavailable: Redis did not answer.
        """
        keys = self._operations.keys
        return await self._do(reading.list_runs(keys, status, thread_id, profile, since, limit, after))

    async def wait(self, run_key: str, timeout: float | None = None) -> RunRecord:
        """Wait until the record is final and read it.

        Args:
            run_key: The run.
            timeout: Seconds; none waits for ever. Every run ends by its deadline. While Redis hangs, its last answer
                is waited for up to 15 s more.

        Raises:
            WaitTimeout: Not final in time; the run goes on.
            RunNotFound: No record stands under this key.
            StoreUnavailable: Redis did not answer; one that restarts meanwhile is waited for, until `timeout` or for
                a minute.
        """
        return await self._do(reading.wait(self._operations.keys, run_key, timeout))

    async def events(
        self, run_key: str, after: int = 0, *, follow: bool = False
    ) -> AsyncIterator[Transition]:
        """Read a run's events in order; resume with the last `seq` seen.

        Args:
            run_key: The run.
            after: Give only events with a higher seq.
            follow: Wait for more until the record is final.

        Raises:
            InvalidRequest: `after` is no seq.
            RunNotFound: No record stands under this key.
            StoreUnavailable: Redis did not answer; a follower waits a minute for one that restarts.
        """
        patience = Patience()
        while True:
            page, final = await self._do(self._operations.events_page(run_key, after, patience))
            for event in page:
                yield event
            after += len(page)
            if final or not follow:
                return
            await self._do(_paused(FOLLOW_SECONDS))

    async def cancel(self, run_key: str) -> bool:
        """Wish a run cancelled; it may still complete, its record will tell.

        Returns:
            True if the wish is new; false if it was wished before or the run is already final.

        Raises:
            RunNotFound: No record stands under this key.
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(reading.cancel(self._operations.keys, run_key, self._operations.clock_key))

    async def purge(
        self,
        *run_keys: str,
        thread_id: str | None = None,
        profile: str = "default",
        older_than: timedelta | None = None,
        damaged: bool = False,
    ) -> Purged:
        """Remove finished runs without a trace, and prove it by looking at every key of the deployment.

        The record, its events and calls go, and every mention in indexes, stream, mailbox, waiting messages and
        results. Usage counters stay: they hold no content and name no run. A purge that was interrupted is
        repeated; it goes on where it was. It needs rights that a web app does not have (`config/redis.acl`).

        Args:
            run_keys: These runs.
            thread_id: All runs of this thread, at `profile`.
            profile: The profile that `thread_id` belongs to.
            older_than: All runs that ended so long ago, by Redis's clock.
            damaged: Take a run of `run_keys` too that is still open, if its record cannot be read (RecordDamaged).
                Nobody cancels it at its provider any more.

        Raises:
            InvalidRequest: Not exactly one of keys, thread and age is given, or it cannot be.
            RunsStillOpen: One of the runs has not ended and, with `damaged`, can be read; nothing was purged.
            StoreUnavailable: Redis did not answer; repeat the purge.
        """
        thread = None if thread_id is None else (profile, thread_id)
        operations = self._operations
        asked = purge(operations.keys, run_keys, thread, older_than, operations.clock_key, damaged=damaged)
        return await self._do(asked)

    async def quarantined(self, limit: int = 100) -> tuple[Quarantined, ...]:
        """List the runs and calls that wait for a person, the longest first.

        Args:
            limit: 1 to 1000.

        Raises:
            InvalidRequest: The limit cannot work.
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(quarantine.quarantined(self._operations.keys, limit))

    async def resolve(self, place: str, output: str) -> None:
        """Give the output of a call whose outcome is unknown; its kind will say `resolved`.

        Args:
            place: The call, as `run key/round/index`.
            output: What the model gets; at most 512 KiB.

        Raises:
            InvalidRequest: The place or the output cannot work.
            NotInQuarantine: The call waits for nobody: it has its output, runs, or its run has moved on.
            StoreUnavailable: Redis did not answer.
        """
        await self._do(quarantine.resolve(self._operations.keys, place, output, self._operations.clock_key))

    async def release(self, place: str) -> None:
        """Have a call run again whose outcome is unknown, or carry a quarantined run on; its deaths are forgotten.

        A call is entered again even if its tool is not idempotent: whoever releases it has seen that it may.

        Args:
            place: The run key, or `run key/round/index` for a call.

        Raises:
            InvalidRequest: The place cannot work.
            RunNotFound: No record stands under this key.
            NotInQuarantine: It waits for nobody.
            StoreUnavailable: Redis did not answer.
        """
        await self._do(quarantine.release(self._operations.keys, place, self._operations.clock_key))

    async def tools(self) -> dict[str, dict[str, Any]]:
        """Read the catalogue of served tools: name to definition, queue and limits.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(self._operations.served_tools())

    async def stats(self) -> Stats:
        """Read what is due, since when, and who works.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(stats(self._operations.keys))

    async def waits_for(self, run_key: str) -> WaitsFor:
        """Read what a run waits for at this moment: its next look, its thread, its handlers.

        Raises:
            RunNotFound: No record stands under this key.
            RecordTooNew: A newer threadrun wrote it.
            RecordDamaged: Somebody changed it, and it cannot be read.
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(waits_for(self._operations.keys, run_key))

    async def survey(self, limit: int = 200) -> Survey:
        """Look over a sample of open runs and all workers; what `threadrun doctor` judges.

        Args:
            limit: About how many runs to look at; each takes a few round trips.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(survey(self._operations.keys, limit))

    async def audit(self, evidence: Evidence | None = None) -> Audit:
        """Judge whether every guarantee was kept, for all runs that Redis or the evidence knows.

        Every record is read, so this is for tests, drills and doubt, not for a monitor. What a first look finds
        is looked for again a second later, so runs may be on their way meanwhile.

        Args:
            evidence: The logs of the provider and of the handlers; without one, what only it can show is not
                judged.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        return await self._do(audit(self._operations.keys, evidence or Evidence()))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _paused(seconds: float) -> Operation[None]:
    yield Pause(seconds)
