"""Serve wake-ups: claim a profile's due runs of a stage and advance them together on the loop.

A wake-up claims and is over; nobody waits for the runs that it began to advance. So a run that hangs at its provider
holds one request slot until its request's deadline, and holds up neither its stage nor another profile.

A run at work is looked at again by whoever looked last, without another claim (worker/attended.py).

Who found work in a stage stays awake for it for a while: as long as more becomes due, its own tick wakes it directly,
and a message is only sent when nobody is awake or the one who is has no slot left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Literal, TypeAlias

import structlog
from redis.exceptions import RedisError

from threadrun.status import Stage
from worker.advance import Advance
from worker.attended import HANDED_OVER_MS, Attended, AttendedRuns
from worker.desk import Desk
from worker.redis_clock import RedisClock
from worker.view import RunView

GATHERING_SECONDS = 0.005
"""How long freed slots are gathered before what waits for one is claimed: one claim for several runs."""

AWAKE_SECONDS = 1.0
"""How long an engine stays awake for a stage after it found work there."""

Turn: TypeAlias = Stage | Literal["attended"]
"""What a free slot is given to: a stage whose due runs are claimed, or the attended runs."""

log = structlog.get_logger("threadrun.engine")


class Engine:
    """Advance the runs of one profile, as many at a time as it has request slots; used on the loop only."""

    def __init__(
        self, desk: Desk, profile: str, slots: int, claim_limit: int, most_attended: int = 0
    ) -> None:
        """Take so many slots; at most so many runs are claimed at a time, and so many attended."""
        self._desk = desk
        self._profile = profile
        self._free_slots = slots
        self._claim_limit = claim_limit
        self._most_attended = most_attended
        self._attended = AttendedRuns()
        self._woken: dict[Turn, None] = {}  # in the order of their turns
        self._awake_until: dict[Stage, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._gathering = False
        self._draining = False

    async def serve(self, stage: Stage) -> int:
        """Claim what is due of a stage and begin to advance it; gives how many runs were claimed.

        What finds no free slot is claimed as soon as there is one, without another wake-up.

        Raises:
            RedisError: Nothing was claimed, or nobody knows; the runs stay due, or become due with their lease.
        """
        self._woken[stage] = None
        return await self._claim_woken()

    def is_awake(self, stage: Stage) -> bool:
        """Tell whether it looks after a stage without being sent a message; any thread may ask."""
        awake = time.monotonic() < self._awake_until.get(stage, 0.0)
        return awake and self._free_slots > 0 and not self._draining

    def wake(self, stage: Stage) -> None:
        """Claim what is due of a stage soon."""
        self._woken[stage] = None
        self._begin(self._claim_soon())

    async def _claim_woken(self) -> int:
        claimed = 0
        while self._woken and self._free_slots and not self._draining:
            turn = next(iter(self._woken))
            del self._woken[turn]
            if turn == "attended":
                self.look()
            else:
                claimed += await self._claim(turn)
        return claimed

    @property
    def has_to_look(self) -> bool:
        """Tell whether it attends runs whose look is due; any thread may ask."""
        return self._attended.is_due

    def look(self) -> None:
        """Look at the attended runs that are due, as far as there are slots; called on the loop, again and again."""
        while self._free_slots and not self._draining and (attended := self._attended.take_due()):
            self._free_slots -= 1
            self._begin(self._advance(attended.run, attended.clock, attended, leased=False))
        if not self._free_slots:
            self._woken["attended"] = None  # there may be more; last in the row

    def _attend(self, attended: Attended) -> None:
        if self._draining:
            self._begin(self._leave(attended))
        else:
            self._attended.keep(attended)

    async def _leave(self, attended: Attended) -> None:
        """Have an attended run looked at by another worker when its look is due."""
        counts = {"polls": attended.polls, "requests": attended.requests}
        with suppress(RedisError, OSError):  # then it is due a little later
            await self._desk.put_off(attended.run, attended.left_ms, **counts)

    async def _claim(self, stage: Stage) -> int:
        slots = min(self._free_slots, self._claim_limit)
        self._free_slots -= slots
        begun = 0
        took = self._desk.suspects.take()
        try:
            claimant, lease_ms = self._desk.claimant(takes_suspect=took), self._desk.rules.lease_ms
            claimed = await self._desk.store.claim(stage, self._profile, slots, lease_ms, claimant)
            begun = len(claimed.runs)
            if begun:
                self._awake_until[stage] = time.monotonic() + AWAKE_SECONDS
            took = took and not any(run.suspect for run in claimed.runs)
        finally:
            self._free_slots += slots - begun
            if took:
                self._desk.suspects.give_back()
        for run_key in claimed.quarantined:
            log.warning("run.quarantined", run_key=run_key, stage=stage.value)
        clock = RedisClock(claimed.now_ms)
        for run in claimed.runs:
            self._begin(self._advance(run, clock, self._attended.drop(run.key)))
        for run_key in claimed.unreadable:
            self._begin(self._put_off(stage, run_key))
        if begun + len(claimed.unreadable) == slots:
            self._woken[stage] = None  # there may be more; last in the row, so that each stage has its turn
        return begun

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _advance(
        self, run: RunView, clock: RedisClock, since: Attended | None, *, leased: bool = True
    ) -> None:
        attends = len(self._attended) < self._most_attended
        advance = Advance(self._desk, run, clock, since, leased=leased, attends=attends)
        try:
            attended = await self._carry(advance, run)
            if attended is not None:
                self._attend(attended)
        except (RedisError, OSError) as error:
            log.warning(
                "run.left_to_lease", run_key=run.key, stage=run.stage.value, error=type(error).__name__
            )
        except Exception:  # a defect of ours must not take the other runs of this process with it
            log.exception("run.advance_failed", run_key=run.key, stage=run.stage.value)
            with suppress(RedisError, OSError):
                await self._desk.store.failed(run)
        finally:
            if run.suspect:
                self._desk.suspects.give_back()
            self._give_slot_back()

    async def _put_off(self, stage: Stage, run_key: str) -> None:
        with suppress(RedisError, OSError):  # then it is left to its lease
            lease_ms = self._desk.rules.lease_ms
            times = await self._desk.store.unread(stage, self._profile, run_key, lease_ms)
            log.error("run.unreadable", run_key=run_key, stage=stage.value, times=times)

    async def _carry(self, advance: Advance, run: RunView) -> Attended | None:
        try:
            return await advance.carry()
        except asyncio.CancelledError:
            await advance.hand_back()
            log.info("run.handed_back", run_key=run.key, stage=run.stage.value)
            return None

    def _give_slot_back(self) -> None:
        self._free_slots += 1
        if self._woken and not self._gathering and not self._draining:
            self._gathering = True
            self._begin(self._claim_gathered())

    async def _claim_gathered(self) -> None:
        await asyncio.sleep(GATHERING_SECONDS)
        self._gathering = False
        await self._claim_soon()

    async def _claim_soon(self) -> None:
        try:
            await self._claim_woken()
        except (RedisError, OSError) as error:  # the tick wakes the stage again
            log.warning("claim.failed", profile=self._profile, error=type(error).__name__)

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining = True

    def leave_attended(self) -> None:
        """Leave the attended runs to other workers; called on the loop, when it drains."""
        for attended in self._attended.take_all():
            if attended.left_ms <= HANDED_OVER_MS:
                self._begin(self._leave(attended))

    async def finish(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def hand_back_all(self) -> None:
        """Interrupt what is under way; each run becomes due at once for another worker."""
        await asyncio.sleep(0)  # one that was cancelled before its first step could not hand back
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
