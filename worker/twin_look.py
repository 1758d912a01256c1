"""Look once for twins of one run, and cancel them: runs that a create made which everybody had given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from threadrun.models import Run
from threadrun.tools import ToolResultKind
from worker.adoption import MAX_PAGES
from worker.decide.calls import answer_for, ours
from worker.decide.twins import CANCEL_LOOK_MS, TwinState, TwinWatch, newly_found, next_look_ms
from worker.desk import Desk
from worker.paging import Pages
from worker.permits import NoPermit
from worker.providers.base import No, Refusal, Reply, ToolOutput, Yes
from worker.redis_clock import RedisClock
from worker.store.gates import Kind

log = structlog.get_logger("threadrun.twins")


class TwinLook:
    """Hold what one look knows; used once."""

    def __init__(self, desk: Desk, profile: str, watch: TwinWatch, clock: RedisClock) -> None:
        self._desk = desk
        self._provider = desk.provider
        self._profile = profile
        self._watch = watch
        self._clock = clock

    async def carry(self) -> None:
        """Read the thread's runs, tell of new twins, bring every twin nearer to its end, and say when to look again.

        Raises:
            redis.exceptions.RedisError: Redis does not answer; the lease will lapse.
        """
        try:
            await self._carry()
        except NoPermit as refused:
            await self._write(refused.wait_ms, {})

    async def _carry(self) -> None:
        if self._watch.creating:
            await self._write(CANCEL_LOOK_MS, {})
            return
        listed = await self._listed()
        runs = {one.id: one for one in listed.value} if isinstance(listed, Yes) else {}
        found = dict.fromkeys(newly_found(self._watch, tuple(runs.values())), TwinState.FOUND)
        if found and not await self._write(self._desk.rules.lease_ms, found):
            return
        for run_id in found:
            self._log("warning", "run.twin_found", run_id)
        states = {run_id: await self._brought_on(run_id, runs.get(run_id)) for run_id in self._watch.open}
        after = replace(self._watch, twins={**self._watch.twins, **states})
        read = isinstance(listed, Yes)
        delay_ms = next_look_ms(after, self._clock.now_ms(), self._desk.rules, read=read)
        if await self._write(delay_ms, states) and delay_ms is None:
            self._log_left(read=read)

    async def _write(self, delay_ms: int | None, states: Mapping[str, TwinState]) -> bool:
        written = await self._desk.store.twins.write(self._profile, self._watch, delay_ms, states)
        self._watch = replace(self._watch, twins={**self._watch.twins, **states})
        return written

    async def _permit(self, kind: Kind) -> None:
        now = self._clock.now_ms()
        seed = f"{self._watch.run_key}:{now}"
        await self._desk.permits.take(kind, now, self._desk.rules.request_deadline_ms, seed)

    async def _listed(self) -> Reply[tuple[Run, ...]]:
        """Read the thread's runs, newest first, up to ours."""
        runs: Pages[Run] = Pages()
        for _ in range(MAX_PAGES):
            await self._permit(Kind.GET)
            reply = await self._provider.list_runs(self._watch.thread_id, after=runs.after)
            if isinstance(reply, No) and reply.refusal is Refusal.NOT_FOUND:
                return Yes((), reply.answer)
            if not isinstance(reply, Yes):
                return reply
            more = runs.add(reply.value)
            if not more or any(one.id == self._watch.run_id for one in runs.entries):
                break
        return Yes(runs.entries, reply.answer)

    async def _brought_on(self, run_id: str, shown: Run | None) -> TwinState:
        """Cancel a twin unless it is ending; where that is refused in requires_action, answer its calls."""
        state = self._watch.twins[run_id]
        if shown is None:
            await self._permit(Kind.GET)
            seen = await self._provider.get_run(self._watch.thread_id, run_id)
            if isinstance(seen, No) and seen.refusal is Refusal.NOT_FOUND:
                return TwinState.ENDED
            shown = seen.value if isinstance(seen, Yes) else None
        if shown is not None and shown.terminal:
            return TwinState.ENDED
        if shown is None or shown.status == "cancelling":
            return state
        await self._permit(Kind.POST)
        reply = await self._provider.cancel_run(self._watch.thread_id, run_id)
        if isinstance(reply, Yes):
            if state is not TwinState.CANCELLED:
                self._log("warning", "run.twin_cancelled", run_id)
            return TwinState.ENDED if reply.value.terminal else TwinState.CANCELLED
        if isinstance(reply, No) and ours(shown):
            await self._answer_calls(run_id, shown)
        return state

    async def _answer_calls(self, run_id: str, shown: Run) -> None:
        outputs = [ToolOutput(call.id, answer_for(ToolResultKind.CANCELLED)) for call in ours(shown)]
        await self._permit(Kind.POST)
        await self._provider.submit_tool_outputs(self._watch.thread_id, run_id, outputs)

    def _log_left(self, *, read: bool) -> None:
        for run_id in self._watch.open:
            self._log("error", "run.twin_left", run_id)
        if not read:
            self._log("error", "run.twins_unread", None)

    def _log(self, level: str, event: str, twin_id: str | None) -> None:
        watch = self._watch
        of = {"run_key": watch.run_key, "run_id": watch.run_id or None, "thread_id": watch.thread_id}
        getattr(log, level)(event, profile=self._profile, twin_run_id=twin_id, **of)
