"""Serve wake-ups: claim a profile's due runs of a stage and advance them together on the loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from threadrun.status import Stage
from worker.advance import Advance
from worker.desk import Desk
from worker.redis_clock import RedisClock
from worker.shares import RequestSlots
from worker.view import RunView

SLOT_PATIENCE_SECONDS = 0.5
"""How long a wake-up waits for a request slot before it leaves the due runs to the next one."""

SERVINGS_A_STAGE = 2
"""How many wake-ups serve one stage at a time: one may wait for a slow request, the other goes on."""

log = structlog.get_logger("threadrun.engine")


@dataclass(frozen=True, slots=True)
class Served:
    """Count what one wake-up did."""

    claimed: int = 0
    failed: int = 0
    """Runs left to their lease because Redis or our own code failed."""

    def __add__(self, other: Served) -> Served:
        return Served(self.claimed + other.claimed, self.failed + other.failed)


class Engine:
    """Advance the runs of one profile."""

    def __init__(self, desk: Desk, slots: int, claim_limit: int) -> None:
        self._desk = desk
        self._slots = RequestSlots(slots)
        self._claim_limit = claim_limit
        self._under_way: set[asyncio.Task[bool]] = set()
        self._draining = False
        self._noted: set[Stage] = set()
        self._serving: Counter[Stage] = Counter()

    async def serve(self, stage: Stage, profile: str) -> Served:
        """Serve a woken stage, and any other that was woken meanwhile and found nobody to serve it."""
        served = Served()
        self.note(stage)
        while (woken := self._woken()) is not None:
            self._noted.discard(woken)
            self._serving[woken] += 1
            try:
                served += await self._serve_stage(woken, profile)
            finally:
                self._serving[woken] -= 1
        return served

    def note(self, stage: Stage) -> None:
        """Remember that a stage was woken; whoever serves next takes it up."""
        self._noted.add(stage)

    def _woken(self) -> Stage | None:
        return next((stage for stage in self._noted if self._serving[stage] < SERVINGS_A_STAGE), None)

    async def _serve_stage(self, stage: Stage, profile: str) -> Served:
        """Claim what is due and advance it; go on while there was more than there were free slots."""
        served = Served()
        while not self._draining:
            slots = await self._slots.take(self._claim_limit, SLOT_PATIENCE_SECONDS)
            if not slots or self._draining:
                self._slots.give_back(slots)
                break
            batch = await self._serve_batch(stage, profile, slots)
            served += batch
            if batch.claimed < slots:
                break
        return served

    async def _serve_batch(self, stage: Stage, profile: str, slots: int) -> Served:
        try:
            claimed = await self._desk.store.claim(stage, profile, slots, self._desk.rules.lease_ms)
        except BaseException:
            self._slots.give_back(slots)
            raise
        self._slots.give_back(slots - len(claimed.runs))
        for run_key in claimed.unreadable:
            log.error("run.advance_failed", run_key=run_key, stage=stage.value, error="unreadable record")
        clock = RedisClock(claimed.now_ms)
        tasks = [asyncio.create_task(self._advance(run, clock)) for run in claimed.runs]
        self._under_way.update(tasks)
        done = await asyncio.gather(*tasks)
        return Served(len(tasks), done.count(False) + len(claimed.unreadable))

    async def _advance(self, run: RunView, clock: RedisClock) -> bool:
        advance = Advance(self._desk, run, clock)
        try:
            await self._carry(advance, run)
        except (RedisError, OSError) as error:
            log.warning(
                "run.left_to_lease", run_key=run.key, stage=run.stage.value, error=type(error).__name__
            )
            return False
        except Exception:  # a defect of ours must not take the other runs of this wake-up with it
            log.exception("run.advance_failed", run_key=run.key, stage=run.stage.value)
            return False
        finally:
            self._slots.give_back(1)
            if (task := asyncio.current_task()) is not None:
                self._under_way.discard(task)
        return True

    async def _carry(self, advance: Advance, run: RunView) -> None:
        try:
            await advance.carry()
        except asyncio.CancelledError:
            await advance.hand_back()
            log.info("run.handed_back", run_key=run.key, stage=run.stage.value)

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining = True

    async def hand_back_all(self) -> None:
        """Interrupt what is under way; each run becomes due at once for another worker."""
        await asyncio.sleep(0)  # one that was cancelled before its first step could not hand back
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
