"""A little world around `decide`: a store, a provider and handlers, each of which may fail in a drawn way.

The provider becomes honest when its faults are used up. It keeps count of what must not happen twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.decide.views import NOW, RULES, TOOLS, a_run, decide, no, required, unknown, yes
from threadrun.models import Run, RunStep
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from worker.decide.decision import Ask, Changes, Finish, Move, Post, Question, Repair, Rest, Tell
from worker.decide.seen import (
    CancelAnswered,
    CreateAnswered,
    Gathered,
    Look,
    NewestSeen,
    OutputsAnswered,
    RunSeen,
    RunsSearched,
    Seen,
    StepsSeen,
    ThreadAnswered,
)
from worker.providers.base import Refusal, Reply
from worker.view import CallView, Effect, Intent, RunView

LEASE_MS = RULES.lease_ms


@dataclass(frozen=True)
class Plan:
    """What the model will do, and how its server behaves."""

    rounds: tuple[int, ...] = (1,)
    end: str = "completed"
    refuses_cancel_of_waiting: bool = False
    cancel_after_ms: int | None = None
    deadline_ms: int = 600_000
    faults: tuple[str, ...] = ()
    handlers: tuple[str, ...] = ()
    on_unknown: OnUnknown = OnUnknown.TELL


@dataclass
class Provider:
    """The truth about the run, at any time."""

    plan: Plan
    made: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    cancelled_at: int | None = None

    def status(self, now: int) -> str:
        if self.cancelled_at is not None and now >= self.cancelled_at + 2_000:
            return "cancelled"
        if self.cancelled_at is not None:
            return "cancelling"
        since = self.accepted[-1] if self.accepted else self.made[0]
        if now - since < 1_500:
            return "queued" if now - since < 700 else "in_progress"
        if len(self.accepted) < len(self.plan.rounds):
            return "requires_action" if now - self.made[0] < 600_000 else "expired"
        return self.plan.end

    def run(self, now: int) -> Run:
        status, at = self.status(now), len(self.accepted)
        wire: dict[str, Any] = {"id": "run_1", "status": status, "created_at": 1_000, "expires_at": 1_600}
        if status == "requires_action":
            asked = [(f"c{at}_{i}", "add", "{}") for i in range(self.plan.rounds[at])]
            wire["required_action"] = required(*asked)
        return Run.from_wire(wire)

    def steps(self, now: int) -> tuple[RunStep, ...]:
        waits = self.status(now) == "requires_action"
        shown = len(self.accepted) + waits
        return tuple(self._step(at, answered=at < len(self.accepted)) for at in range(shown))

    def _step(self, at: int, *, answered: bool) -> RunStep:
        function = {"name": "add", "arguments": "{}", "output": "1" if answered else None}
        calls = [
            {"id": f"c{at}_{i}", "type": "function", "function": function}
            for i in range(self.plan.rounds[at])
        ]
        details = {"type": "tool_calls", "tool_calls": calls}
        status = "completed" if answered else "in_progress"
        return RunStep.from_wire(
            {"id": f"s{at}", "type": "tool_calls", "status": status, "step_details": details}
        )

    def submit(self, now: int) -> bool:
        waits = self.status(now) == "requires_action"
        if waits:
            self.accepted.append(now)
        return waits

    def cancel(self, now: int) -> bool:
        status = self.status(now)
        refused = status == "requires_action" and self.plan.refuses_cancel_of_waiting
        if refused or status not in {"queued", "in_progress", "requires_action"}:
            return False
        self.cancelled_at = now
        return True


@dataclass
class World:
    """Carry one run by `decide` alone."""

    plan: Plan
    now: int = NOW
    entered: list[tuple[int, int]] = field(default_factory=list)
    finished: Finish | None = None
    turns: int = 0
    posted_creates: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.provider = Provider(self.plan)
        self.run: RunView = a_run(
            Stage.CREATE, thread_id=None, created_ms=NOW, deadline_ms=NOW + self.plan.deadline_ms
        )
        self.due = NOW
        self.faults = list(self.plan.faults)
        self.late: list[tuple[int, Effect]] = []
        self.handlers = list(self.plan.handlers)
        self.ending: list[tuple[int, int, int]] = []

    def carry(self, most_turns: int) -> None:
        """Turn the clock to each next event until the record is written."""
        while self.finished is None and self.turns < most_turns:
            self._pass_time()
            self._advance()

    def _pass_time(self) -> None:
        wish = self.plan.cancel_after_ms
        until = max(self.due, self.now)
        if wish is not None and not self.run.cancel_ms and NOW + wish <= until:
            self._at(max(self.now, NOW + wish))
            self.run = replace(self.run, cancel_ms=self.now)
            return
        if self.ending and min(self.ending)[0] <= until:
            self._at(max(self.now, min(self.ending)[0]))
            self._settle_next()
            return
        self._at(until)

    def _at(self, now: int) -> None:
        self.now = now
        for at, effect in sorted(self.late):
            if at <= now:
                self.late.remove((at, effect))
                self._take_effect(effect, at)

    # The holder of the claim.

    def _advance(self) -> None:
        seen: Seen = Look()
        for _ in range(16):
            self.turns += 1
            decision = decide(self.run, seen, self.now)
            match decision:
                case Ask(question):
                    if (answer := self._asked(question)) is None:
                        return self._crash()
                    seen = answer
                case Post(effect, changes):
                    intent = Intent(effect, self.now, self.now + RULES.request_deadline_ms)
                    self._write(replace(changes, progress=replace(changes.progress, intent=intent)))
                    if (answer := self._sent(effect)) is None:
                        return self._crash()
                    seen = answer
                case Move(stage, delay_ms, changes):
                    self.run = replace(self.run, stage=stage)
                    self._write(changes)
                    self.due = self.now + delay_ms
                    return None
                case Rest(delay_ms):
                    self.due = self.now + delay_ms
                    return None
                case Repair():
                    return self._repair(decision)
                case Finish():
                    self.finished = decision
                    return None
                case Tell():
                    raise AssertionError("told before it was finished")
        raise AssertionError(f"decisions that answer each other: {self.run.stage}")

    def _crash(self) -> None:
        """The holder dies; the next one comes when the lease lapses."""
        self.due = self.now + LEASE_MS

    def _write(self, changes: Changes) -> None:
        run = self.run
        shown = changes.run
        calls = self._calls_after(changes)
        self.run = replace(
            run,
            progress=changes.progress,
            version=run.version + 1,
            thread_id=run.thread_id or changes.facts.get("thread_id"),
            run_id=run.run_id or changes.facts.get("run_id"),
            status=shown.status if shown is not None else run.status,
            round=run.round + bool(changes.opened),
            total_calls=run.total_calls + len(changes.opened),
            calls=calls,
        )
        for sent in changes.sent:
            self._deliver(sent.index)

    def _calls_after(self, changes: Changes) -> tuple[CallView, ...]:
        if changes.opened:
            return tuple(
                CallView(
                    row.index,
                    row.state,
                    row.tool,
                    row.tool_call_id,
                    sends=1,
                    sent_ms=self.now,
                    on_unknown=self.plan.on_unknown,
                )
                for row in changes.opened
            )
        sent = {call.index: call for call in changes.sent}
        calls = tuple(
            replace(call, sends=sent[call.index].sends, sent_ms=sent[call.index].sent_ms)
            if call.index in sent
            else call
            for call in self.run.calls
        )
        if not changes.withdraw:
            return calls
        pending = CallState.PENDING
        return tuple(replace(c, state=CallState.WITHDRAWN) if c.state is pending else c for c in calls)

    # Tools workers.

    def _deliver(self, index: int) -> None:
        call = self.run.calls[index]
        behaviour = self.handlers.pop(0) if self.handlers else "ok"
        if call.state is not CallState.PENDING or behaviour == "message_lost":
            return
        self.entered.append((self.run.round, index))
        dead = behaviour == "worker_died"
        claimed = replace(
            call,
            state=CallState.CLAIMED,
            token="t",
            worker="w",
            deadline_ms=self.now + 60_000,
            claimant_dead=dead,
        )
        self._put(claimed)
        if not dead:
            duration = {"ok": 400, "slow": 50_000}[behaviour]
            self.ending.append((self.now + duration, self.run.round, index))

    def _settle_next(self) -> None:
        at, round_, index = min(self.ending)
        self.ending.remove((at, round_, index))
        call = self.run.calls[index] if index < len(self.run.calls) else None
        if self.run.stage is Stage.TOOLS and round_ == self.run.round and call is not None:
            self._settle(call)

    def _settle(self, call: CallView) -> None:
        if call.state not in {CallState.CLAIMED, CallState.PENDING, CallState.UNKNOWN}:
            return
        self._put(replace(call, state=CallState.SETTLED))
        if all(one.state is CallState.SETTLED for one in self.run.calls):
            self.run = replace(self.run, stage=Stage.SUBMIT)
            self.due = self.now

    def _repair(self, repair: Repair) -> None:
        for settlement in repair.settle:
            self._settle(settlement.call)
        for call in repair.reopen:
            self._put(replace(call, state=CallState.PENDING, sends=0, sent_ms=0, claimant_dead=False))
        for one in repair.aside:
            self._put(replace(one.call, state=CallState.UNKNOWN))
        self.due = self.now

    def _put(self, call: CallView) -> None:
        calls = tuple(call if one.index == call.index else one for one in self.run.calls)
        self.run = replace(self.run, calls=calls)

    # Requests.

    def _fault(self) -> str:
        return self.faults.pop(0) if self.faults else ""

    def _asked(self, question: Question) -> Seen | None:
        fault = self._fault()
        self.now += 20
        if fault == "crash":
            return None
        match question:
            case Question.RUN:
                return RunSeen(self._read(fault, lambda: self.provider.run(self.now)), TOOLS)
            case Question.SEARCH:
                return RunsSearched(self._read(fault, self._listed))
            case Question.STEPS:
                return StepsSeen(self._read(fault, lambda: self.provider.steps(self.now)))
            case Question.NEWEST:
                return NewestSeen(self._read(fault, lambda: "run_0"))
            case Question.RECORD:
                return Gathered((), run_usage=True, any_usage=True)

    def _listed(self) -> tuple[Run, ...]:
        return (self.provider.run(self.now),) if self.provider.made else ()

    def _read(self, fault: str, value: Any) -> Reply[Any]:
        if fault in {"rate_limited", "unauthorized", "never_sent"}:
            return no(Refusal(fault))
        return unknown(fault) if fault else yes(value())

    def _sent(self, effect: Effect) -> Seen | None:
        fault = self._fault()
        self.now += 20
        if effect is Effect.CREATE_RUN:
            self.posted_creates.append(self.now)
        answer = self._effect_of(effect, fault)
        if answer is None:
            return None
        match effect:
            case Effect.CREATE_THREAD:
                return ThreadAnswered(answer)
            case Effect.CREATE_RUN:
                return CreateAnswered(answer)
            case Effect.SUBMIT_OUTPUTS:
                return OutputsAnswered(answer)
            case Effect.CANCEL_RUN:
                return CancelAnswered(answer)

    def _effect_of(self, effect: Effect, fault: str) -> Reply[Any] | None:
        if fault in {"rate_limited", "unauthorized", "never_sent"}:
            return no(Refusal(fault))
        if fault == "lost_before":
            return unknown()
        if fault == "late":
            self.late.append((self.now + RULES.request_deadline_ms - 1_000, effect))
            return unknown("connection_lost")
        done = self._take_effect(effect, self.now)
        if fault == "crash":
            return None
        if fault == "lost_after":
            return unknown()
        if effect is Effect.CREATE_THREAD:
            return yes("thread_1")
        return yes(self.provider.run(self.now)) if done else no(Refusal.WRONG_STATUS)

    def _take_effect(self, effect: Effect, at: int) -> bool:
        match effect:
            case Effect.CREATE_THREAD:
                return True
            case Effect.CREATE_RUN:
                self.provider.made.append(at)
                return True
            case Effect.SUBMIT_OUTPUTS:
                return self.provider.submit(at)
            case Effect.CANCEL_RUN:
                return self.provider.cancel(at)


FAULTS: Sequence[str] = (
    "", "never_sent", "rate_limited", "unauthorized", "lost_before", "lost_after", "late", "crash",
)  # fmt: skip
HANDLERS: Sequence[str] = ("ok", "slow", "worker_died", "message_lost")
OURS = frozenset({Outcome.TIMED_OUT, Outcome.CANCELLED, Outcome.LOST})
