"""Advance one claimed run: decide, do, write; until there is nothing to do but wait.

A worker that dies anywhere in here leaves the run in the agenda. When the lease lapses, another one looks at
what is stored and decides again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import assert_never

import structlog

from threadrun.models import Run, Usage
from threadrun.records import ProviderAnswer
from threadrun.request import RunRequest
from threadrun.status import Stage
from worker.ask import ask
from worker.attended import MARGIN_MS, SPARE_MS, Attended, attendable
from worker.dead_claimants import judged
from worker.decide import decide, hold
from worker.decide.decision import (
    Ask,
    Changes,
    Conclusion,
    Finish,
    Move,
    Post,
    Question,
    Repair,
    Rest,
    Tell,
)
from worker.decide.finalize import is_over
from worker.decide.give_up import given_up
from worker.decide.seen import Look, Seen
from worker.desk import Desk
from worker.final import Closing, final
from worker.gather import Gathering, gather
from worker.lease import ClaimLost
from worker.mend import mend
from worker.permits import NoPermit
from worker.post import post
from worker.publisher import Message
from worker.redis_clock import RedisClock
from worker.replace import replace
from worker.store.gates import Kind
from worker.store.runs import Written
from worker.store.writes import Commit, new_op, next_status, sent_calls
from worker.tell import tell
from worker.transitions import log_events, log_finished
from worker.view import HARD_LIMIT_GRACE_SECONDS, Effect, Intent, RunView, with_calls

log = structlog.get_logger("threadrun.advance")

MAX_TURNS = 16
"""More decisions than any advance needs; the guard against two decisions that answer each other for ever."""

FIRST_PATIENCE_MS = 1_000
"""How long an advance waits for its first permit where a rate is set; longer, and its slot serves another run."""

_WITH_CALLS = frozenset({Stage.TOOLS, Stage.SUBMIT, Stage.CANCEL})
_CLOSING_FIELDS = ("usage_of_run", "include", "polls", "requests", "model", "last_answer", "reason")


class Advance:
    """Hold what one advance knows; used once."""

    def __init__(
        self,
        desk: Desk,
        run: RunView,
        clock: RedisClock,
        since: Attended | None = None,
        *,
        leased: bool = True,
        attends: bool = False,
    ) -> None:
        """Begin after a claim, or after the last look at an attended run; that one has no lease until it writes.

        Args:
            desk: The parts.
            run: As stored.
            clock: Redis's clock.
            since: What this engine's last look left, if it attended the run.
            leased: The run was claimed for this look.
            attends: The run may be attended from now on.
        """
        self._desk = desk
        self._run = run
        self._clock = clock
        self._leased = leased
        self._lease_until_ms = clock.now_ms() + desk.rules.lease_ms
        self._attends = attends
        self._since = since or Attended(run, clock, 0, 0)
        self._polls = self._since.polls
        self._requests = self._since.requests
        self._attended: Attended | None = None
        self._begun = False
        self._took_ms = 0
        self._shown: Run | None = None
        self._gathering = Gathering()
        self._request: RunRequest | None = None
        self._closing_fields: dict[str, str | None] = {}

    async def carry(self) -> Attended | None:
        """Carry the run as far as it goes now; where somebody else holds it by then, drop what is in hand.

        Gives what the next look needs, if the run is to be attended.
        """
        with suppress(ClaimLost):
            await self._carry()
        return self._attended

    async def _carry(self) -> None:
        if hopeless := given_up(self._run, self._clock.now_ms(), self._desk.rules):
            return await self._give_up(hopeless)
        await self._load()
        seen: Seen = Look()
        for _ in range(MAX_TURNS):
            decision = decide(self._run, seen, self._clock.now_ms(), self._desk.rules)
            try:
                match decision:
                    case Ask(question):
                        seen = await self._ask(question)
                    case Post():
                        seen = await self._post(decision)
                    case Move(Stage.FINALIZE, 0) if self._run.stage is not Stage.FINALIZE:
                        seen = await self._end(decision)
                    case _:
                        return await self._conclude(decision)
            except NoPermit as refused:
                held = hold(self._run, decision, refused.wait_ms, self._clock.now_ms(), self._desk.rules)
                return await self._conclude(held)
        log.error("run.undecided", run_key=self._run.key, stage=self._run.stage.value)
        await self._rest(self._desk.rules.lease_ms)
        return None

    async def _conclude(self, decision: Conclusion) -> None:
        match decision:
            case Move():
                await self._move(decision)
            case Rest(delay_ms):
                await self._rest(delay_ms)
            case Repair():
                await self._repair(decision)
            case Finish():
                await self._finish(decision)
            case Tell():
                await tell(self._desk, self._run, self._wanted)
            case _:
                assert_never(decision)

    async def _give_up(self, decision: Finish | Move) -> None:
        """Bring the run to its end, then have its provider cancel it: the answer may be what kills."""
        if isinstance(decision, Finish):
            await self._finish(decision)
        elif await self._move(decision) and self._run.run_id is not None:
            with suppress(NoPermit):
                await self._permit(Kind.POST)
                await post(self._desk, self._run, Effect.CANCEL_RUN, None, self._wanted, self._keep_claim)

    async def hand_back(self) -> None:
        """Leave the run due at once, for somebody else."""
        self._attends = False
        await self._rest(0)

    async def _load(self) -> None:
        run, store = self._run, self._desk.store
        if run.stage is Stage.WAITING:
            run = replace(run, my_turn=await store.holds_thread(run))
        if run.stage is Stage.CREATE:
            disturbed, echoed = self._desk.observer.was_disturbed(), self._desk.metadata_echoed
            run = replace(run, search_first=disturbed, metadata_echoed=echoed)
        if run.stage in _WITH_CALLS and run.round:
            run = with_calls(run, await judged(self._desk, await store.calls(run), self._clock.now_ms()))
        self._run = run

    async def _ask(self, question: Question) -> Seen:
        if question is Question.RECORD:
            usage, include = await self._kept("usage_of_run", "include")
            known = Usage.from_wire(usage) if usage else None
            self._gathering = await gather(
                self._desk.provider,
                self._run,
                known,
                self._before_request,
                json.loads(include or "[]"),
                lambda: is_over(self._run, self._clock.now_ms(), self._desk.rules),
            )
            return self._gathering.seen()
        due_ms = self._clock.now_ms() if self._leased else self._since.look_ms
        seen = await ask(self._desk, self._run, question, self._before_request)
        self._took_ms = self._clock.now_ms() - due_ms
        self._polls += question is Question.RUN
        self._note_shown(seen)
        return seen

    def _note_shown(self, seen: Seen) -> None:
        value = getattr(getattr(seen, "reply", None), "value", None)
        if isinstance(value, Run):
            self._shown = value
            self._desk.echo.saw(self._run.key, value)

    async def _before_request(self) -> None:
        """Get a permit, and see that the claim outlives the request."""
        await self._permit(Kind.GET)
        await self._keep_claim()
        self._requests += 1

    async def _permit(self, kind: Kind) -> None:
        """Get a permit; what was begun waits longer for one, for otherwise it would have to begin again."""
        await self._keep_claim()
        patience_ms = self._desk.rules.request_deadline_ms if self._begun else FIRST_PATIENCE_MS
        now = self._clock.now_ms()
        await self._desk.permits.take(kind, now, patience_ms, f"{self._run.key}:{now}")
        self._begun = True

    async def _keep_claim(self) -> None:
        rules = self._desk.rules
        if not self._leased:
            return  # a read needs no claim
        while self._lease_until_ms - (now := self._clock.now_ms()) <= rules.request_deadline_ms:
            if not await self._desk.store.renew(self._run, rules.lease_ms):
                raise ClaimLost
            self._lease_until_ms = now + rules.lease_ms

    async def _end(self, move: Move) -> Seen:
        """Write that the run has ended, and go on with its record in the same claim."""
        await self._hold(Stage.FINALIZE, move.changes, self._clock.now_ms())
        return Look()

    async def _post(self, decision: Post) -> Seen:
        """Store the intent, then send: a successor knows that something may have been sent, and until when."""
        await self._permit(Kind.POST)
        # A thread made twice harms nobody, so that of a thread it need not know; and the claim outlives the request.
        if decision.effect is not Effect.CREATE_THREAD:
            await self._intend(decision)
        self._requests += 1
        seen = await post(self._desk, self._run, decision.effect, self._shown, self._wanted, self._keep_claim)
        self._note_shown(seen)
        return seen

    async def _intend(self, decision: Post) -> None:
        rules, now = self._desk.rules, self._clock.now_ms()
        intent = Intent(decision.effect, now, now + rules.request_deadline_ms)
        changes = replace(decision.changes, progress=replace(decision.changes.progress, intent=intent))
        await self._hold(self._run.stage, changes, now)

    async def _hold(self, stage: Stage, changes: Changes, now: int) -> None:
        """Write changes and keep the claim, for there is more to do."""
        lease_ms = self._desk.rules.lease_ms
        written = await self._commit(stage, lease_ms, changes, keep_lease=True)
        if not written.ok:
            raise ClaimLost
        self._leased = True
        self._lease_until_ms = now + lease_ms
        self._run = _as_written(self._run, stage, changes, written.version)

    async def _move(self, move: Move) -> bool:
        run, look_ms = self._run, self._clock.now_ms() + move.delay_ms
        attends = self._attends and attendable(run, move.stage, self._took_ms)
        delay_ms = move.delay_ms + SPARE_MS if attends else move.delay_ms
        written = await self._commit(move.stage, delay_ms, move.changes, keep_lease=False)
        if not written.ok:
            return False
        if attends:
            self._attend(_as_written(run, move.stage, move.changes, written.version), look_ms)
        for round_, call in sent_calls(self._run, move.changes):
            limit = call.timeout_seconds + HARD_LIMIT_GRACE_SECONDS
            at = (self._run.key, round_, call.index)
            self._desk.outbox.send(Message("tools.execute", at, queue=call.queue, time_limit_seconds=limit))
        return True

    async def _commit(self, stage: Stage, delay_ms: int, changes: Changes, *, keep_lease: bool) -> Written:
        write = Commit(stage, delay_ms, changes, keep_lease, new_op(), self._polls, self._requests)
        self._polls = self._requests = 0
        written = await self._desk.store.commit(self._run, write)
        self._log(stage, changes, written)
        return written

    def _log(self, stage: Stage, changes: Changes, written: Written) -> None:
        if written.seq < 0:
            if changes.facts:
                log.warning("run.fact_too_late", run_key=self._run.key, facts=sorted(changes.facts))
            return
        stored = changes.fact_events if written.learnt else ()
        stored += changes.events if written.ok else ()
        known = replace(
            self._run,
            run_id=self._run.run_id or changes.facts.get("run_id"),
            thread_id=self._run.thread_id or changes.facts.get("thread_id"),
        )
        moved = _moved(self._run.stage, stage) if written.ok else {}
        log_events(known, stored, written.seq, self._clock.now_ms(), moved)

    async def _rest(self, delay_ms: int) -> None:
        run, look_ms = self._run, self._clock.now_ms() + delay_ms
        attends = self._attends and attendable(run, run.stage, self._took_ms)
        if attends and not self._leased and look_ms + MARGIN_MS <= self._since.until_ms:
            self._attend(run, look_ms, self._since.until_ms)  # nothing is to be written
        elif await self._put_off(delay_ms + SPARE_MS if attends else delay_ms) and attends:
            self._polls = self._requests = 0
            self._attend(run, self._clock.now_ms() + delay_ms)

    async def _put_off(self, delay_ms: int) -> bool:
        """Have the run due for everybody after a delay; false: it is somebody else's by now."""
        run, counts = self._run, {"polls": self._polls, "requests": self._requests}
        if self._leased:
            return await self._desk.store.rest(run, delay_ms, **counts)
        now_ms = await self._desk.put_off(run, delay_ms, **counts)
        if now_ms:
            self._clock = RedisClock(now_ms)  # no claim brings the time anew
        return bool(now_ms)

    def _attend(self, run: RunView, look_ms: int, until_ms: int | None = None) -> None:
        """Have the run looked at again without a claim; it is due for everybody a little later."""
        self._attended = Attended(
            run,
            self._clock,
            look_ms,
            until_ms or look_ms + SPARE_MS,
            self._polls,
            self._requests,
        )

    async def _repair(self, repair: Repair) -> None:
        """Mend calls; then the run is due at once."""
        await mend(self._desk, self._run, repair)
        await self._rest(0)

    async def _finish(self, finish: Finish) -> None:
        run, now = self._run, self._clock.now_ms()
        polls, requests, model, answer, reason = await self._kept(
            "polls", "requests", "model", "last_answer", "reason"
        )
        closing = Closing(
            outcome=finish.outcome,
            missing=finish.missing,
            model=model or "",
            answer=ProviderAnswer.load(answer) if answer else ProviderAnswer(),
            reason=run.progress.reason or reason or "",
            now_ms=now,
            retention_ms=self._desk.retention_ms,
            op=new_op(),
            polls=int(polls or 0),
            requests=int(requests or 0) + self._requests,
            new_requests=self._requests,
        )
        write, summary = final(run, self._gathering, closing)
        written = await self._desk.store.finish(run, write)
        if written.ok:
            log_finished(run, written.seq, now, {**_moved(run.stage, Stage.DONE), **summary})

    async def _kept(self, *names: str) -> list[str | None]:
        """Give fields that closing the record needs; all are read at once, for none changes meanwhile."""
        if not self._closing_fields:
            values = await self._desk.store.text(self._run.key, *_CLOSING_FIELDS)
            self._closing_fields = dict(zip(_CLOSING_FIELDS, values, strict=True))
        return [self._closing_fields[name] for name in names]

    async def _wanted(self) -> RunRequest:
        """Read the request, once for the thread and the run that are made of it."""
        if self._request is None:
            text: str | None = self._run.request
            if not text:  # it comes with a claim in stage create only
                (text,) = await self._desk.store.text(self._run.key, "request")
            self._request = RunRequest.model_validate_json(text or "{}")
        return self._request


def _as_written(run: RunView, stage: Stage, changes: Changes, version: int) -> RunView:
    return replace(
        run,
        stage=stage,
        request=run.request if stage is Stage.CREATE else "",
        version=version,
        progress=changes.progress,
        thread_id=run.thread_id or changes.facts.get("thread_id"),
        run_id=run.run_id or changes.facts.get("run_id"),
        status=next_status(run, changes),
        calls=run.calls if stage in _WITH_CALLS else (),  # their outputs may be long
    )


def _moved(before: Stage, after: Stage) -> Mapping[str, str]:
    return {} if before is after else {"from": before.value, "to": after.value}
