"""Whatever happens in whatever order, by holders of old and new claims: what must always be true stays true."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.integration.backend import fake, real
from tests.integration.carrying import (
    LEASE_MS,
    calls,
    claim_call,
    claimed,
    commit,
    last_words,
    reopen,
    settle,
    shown,
)
from threadrun.errors import ThreadBusy
from threadrun.status import CallState, Outcome, RunStatus, Stage
from worker.decide.decision import Event, ThreadMove
from worker.store.ledger import CallAddress

RUN_KEYS = ["a", "b", "c", "d"]
THREADS = ["t1"]
STAGES = [stage for stage in Stage if stage is not Stage.DONE]
LABELS = ["none", *dict.fromkeys([*RunStatus, *Outcome])]
BOOKKEEPING = {"claim", "lease_ms"}
OPEN = {CallState.PENDING.value, CallState.CLAIMED.value}

views = Bundle("views")
keys = st.sampled_from(RUN_KEYS)
tokens = st.sampled_from(["x", "y"])


class Life(RuleBasedStateMachine):
    """Enqueue, claim, decide, give back, cancel, run tools and finish, with claims that may be long lost."""

    def __init__(self, make):
        super().__init__()
        self.backend = make()
        self.runner = asyncio.Runner()
        self.client = self.backend.client()
        self.store = self.backend.store()
        self.final = {}
        self.made = 0

    def teardown(self):
        self.runner.run(self.backend.aclose())
        self.runner.close()
        self.backend.sync.flushdb()
        self.backend.sync.close()

    def do(self, coroutine):
        return self.runner.run(coroutine)

    @initialize(
        threads=st.lists(st.sampled_from([None, *THREADS]), min_size=3, max_size=3), tells=st.booleans()
    )
    def begin(self, threads, tells):
        for key, thread in zip(RUN_KEYS, threads, strict=False):
            self.enqueue(key, thread, "enqueue", tells)

    @rule(
        key=keys, thread=st.sampled_from([None, *THREADS]), strategy=st.sampled_from(["enqueue", "reject"]),
        tells=st.booleans(),
    )  # fmt: skip
    def enqueue(self, key, thread, strategy, tells):
        if self.backend.sync.exists(self.backend.keys.run(key)):
            return
        options = {"thread_id": thread} if thread else {"messages": "hi"}
        if tells:
            options["on_done"] = "shop.done"
        try:
            self.client.enqueue("asst", idempotency_key=key, thread_strategy=strategy, **options)
        except ThreadBusy:
            assert strategy == "reject"

    @rule(key=keys)
    def cancel(self, key):
        if self.backend.sync.exists(self.backend.keys.run(key)):
            self.client.cancel(key)

    @rule(seconds=st.sampled_from([0.2, 1, 5, 20, 30]))
    def turn(self, seconds):
        self.backend.turn(seconds)

    @rule(target=views, key=keys, after_seconds=st.sampled_from([0, 1, 30]))
    def claim(self, key, after_seconds):
        """Claim the stage of a run: whatever is due there comes into somebody's hands."""
        return multiple(*self.claimed(key, after_seconds))

    @rule(target=views, key=keys, status=st.sampled_from([*RunStatus]), steps=st.integers(1, 9))
    def carry(self, key, status, steps):
        """Go the usual way for some stages; the claims that were used stay behind in somebody's hands."""
        used = []
        for _ in range(steps):
            for run in self.claimed(key, 30):
                used += [run, *self.decided(run, 0, status)]
        return multiple(*used)

    def claimed(self, key, after_seconds):
        self.backend.turn(after_seconds)
        stage = Stage(self.backend.sync.hget(self.backend.keys.run(key), "stage") or "create")
        agenda = Stage.FINALIZE if stage is Stage.DONE else stage
        return [self.do(self._loaded(run)) for run in self.do(claimed(self.store, agenda, limit=3))]

    async def _loaded(self, run):
        return replace(
            run,
            my_turn=await self.store.holds_thread(run),
            calls=await self.store.calls(run) if run.round else (),
        )

    @rule(run=views, delay_ms=st.sampled_from([0, 300, 30_000]))
    def rest(self, run, delay_ms):
        self.do(self.store.rest(run, delay_ms, polls=int(run.stage is not Stage.DONE)))

    @rule(run=views)
    def renew(self, run):
        self.do(self.store.renew(run, LEASE_MS))

    @rule(target=views, run=views)
    def go_on_with_a_request(self, run):
        return multiple(*self.posted(run))

    def posted(self, run):
        """Store an intent; the holder then decides again with what it wrote."""
        if run.stage in {Stage.WAITING, Stage.FINALIZE, Stage.DONE}:
            return []
        facts = {}
        if run.stage is Stage.CREATE and run.thread_id is None:
            self.made += 1
            facts = {"thread_id": f"made{self.made}"}
        written = self.write(
            run,
            run.stage,
            LEASE_MS,
            keep_lease=True,
            facts=facts,
            fact_events=(Event("thread.created"),) if facts else (),
            thread=ThreadMove.TAKE if facts else ThreadMove.KEEP,
            events=(Event("run.create_sent"),),
        )
        if not written.ok:
            return []
        return [replace(run, version=written.version, thread_id=run.thread_id or facts.get("thread_id"))]

    @rule(target=views, run=views, choice=st.integers(0, 4), status=st.sampled_from([*RunStatus]))
    def decide(self, run, choice, status):
        return multiple(*self.decided(run, choice, status))

    def decided(self, run, choice, status):
        """Write one of the moves that the engine makes from this stage, the usual one first."""
        moves = {
            Stage.WAITING: [self.admit, self.end],
            Stage.CREATE: [self.create, self.end],
            Stage.POLL: [
                self.end if run.round == 2 else self.open,
                self.watch,
                self.open,
                self.to_cancel,
                self.end,
            ],
            Stage.TOOLS: [self.call, self.send, self.open, self.move_on, self.to_cancel, self.end],
            Stage.SUBMIT: [self.submit, self.to_cancel, self.end],
            Stage.CANCEL: [self.end, self.again],
            Stage.FINALIZE: [self.finish, self.again],
            Stage.DONE: [self.told],
        }[run.stage]
        left = moves[choice % len(moves)](run, status)
        return left if isinstance(left, list) else []

    def write(self, run, /, stage, delay_ms=0, **changes):
        write = commit(run, stage, delay_ms, **changes)
        answer = self.do(self.store.commit(run, write))
        if answer.ok:
            before = self.look()
            assert self.do(self.store.commit(run, write)) == answer
            assert self.look() == before
        return answer

    def admit(self, run, _):
        if run.my_turn:
            self.write(run, Stage.CREATE, events=(Event("run.admitted"),))

    def create(self, run, status):
        if run.thread_id is None:
            return self.posted(run)
        self.made += 1
        facts = {"run_id": f"run{self.made}"}
        return self.write(
            run, Stage.POLL, 250, facts=facts, fact_events=(Event("run.created"),), run=shown(status)
        )

    def watch(self, run, status):
        self.write(run, Stage.POLL, 250, run=shown(status), polls=1, requests=1)

    def open(self, run, _):
        until = self.backend.now_ms() + 60_000
        self.write(
            run, Stage.TOOLS, 5_000, run=shown("requires_action"), opened=calls(2), tools_until_ms=until,
            withdraw=run.stage is Stage.TOOLS, events=(Event("run.requires_action"),),
        )  # fmt: skip

    def send(self, run, _):
        pending = tuple(replace(c, sends=c.sends + 1) for c in run.calls if c.state is CallState.PENDING)
        self.write(run, Stage.TOOLS, 5_000, sent=pending)

    def call(self, run, _):
        """Have every call begun and settled, as far as nobody else was there first."""
        for index in range(2):
            at = CallAddress(run.key, run.round, index)
            if self.do(claim_call(self.store, at, f"{run.claim}")).verdict == "yes":
                self.do(settle(self.store, at, f"{run.claim}"))

    def move_on(self, run, status):
        self.write(run, Stage.POLL, 250, withdraw=True, run=shown(status))

    def submit(self, run, status):
        indexes = tuple(call.index for call in run.calls)
        facts = {f"submitted:{run.round}": "run"}
        self.write(
            run, Stage.POLL, 250, submitted=indexes, facts=facts, run=shown(status),
            fact_events=(Event("tool_outputs.submitted"),),
        )  # fmt: skip

    def to_cancel(self, run, _):
        self.write(run, Stage.CANCEL, withdraw=True, events=(Event("run.cancelling"),))

    def again(self, run, _):
        self.write(run, run.stage, 500)

    def end(self, run, _):
        self.write(run, Stage.FINALIZE, thread=ThreadMove.FREE, withdraw=True, events=(Event("run.ended"),))

    def finish(self, run, status):
        outcome = Outcome(status.value) if status.terminal else Outcome.TIMED_OUT
        final = last_words(run, outcome)
        answer = self.do(self.store.finish(run, final))
        if answer.ok:
            before = self.look()
            assert self.do(self.store.finish(run, final)) == answer
            assert self.look() == before

    def told(self, run, _):
        self.do(self.store.told(run))

    @rule(key=keys, back=st.integers(0, 1), index=st.integers(0, 1), token=tokens)
    def begin_call(self, key, back, index, token):
        self.do(claim_call(self.store, self.call_at(key, back, index), token))

    @rule(key=keys, back=st.integers(0, 1), index=st.integers(0, 1), token=st.sampled_from(["x", "y", ""]))
    def settle_call(self, key, back, index, token):
        self.do(settle(self.store, self.call_at(key, back, index), token))

    @rule(key=keys, back=st.integers(0, 1), index=st.integers(0, 1), token=tokens)
    def reopen_call(self, key, back, index, token):
        self.do(reopen(self.store, self.call_at(key, back, index), token))

    @rule(key=keys, back=st.integers(0, 1), index=st.integers(0, 1))
    def pass_call_on(self, key, back, index):
        self.do(self.store.ledger.pass_on(self.call_at(key, back, index)))

    def call_at(self, key, back, index):
        """Name a call of the present round, or of the one before it."""
        present = int(self.backend.sync.hget(self.backend.keys.run(key), "round") or 0)
        return CallAddress(key, max(1, present - back), index)

    def look(self):
        names = self.backend.keys
        pipe = self.backend.sync.pipeline(transaction=True)
        for key in RUN_KEYS:
            pipe.hgetall(names.run(key))
            pipe.lrange(names.events(key), 0, -1)
            pipe.hgetall(names.calls(key))
        for stage in STAGES:
            pipe.zrange(names.agenda(stage, "default"), 0, -1, withscores=True)
        for label in LABELS:
            pipe.zrange(names.index_status(label), 0, -1)
        return pipe.execute()

    @invariant()
    def what_must_always_be_true(self):
        found = self.look()
        runs = {}
        for at, key in enumerate(RUN_KEYS):
            record, events, ledger = found[3 * at : 3 * at + 3]
            if record:
                runs[key] = (record, [json.loads(text) for text in events], ledger)
        rest = found[3 * len(RUN_KEYS) :]
        agendas = dict(zip(STAGES, [dict(entries) for entries in rest[: len(STAGES)]], strict=True))
        indexes = dict(zip(LABELS, rest[len(STAGES) :], strict=True))
        for key, (record, events, ledger) in runs.items():
            self.is_in_one_agenda(key, record, agendas)
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            label = record.get("outcome") or record.get("status") or "none"
            assert [name for name, members in indexes.items() if key in members] == [label]
            self.counts_open_calls(record, ledger)
            self.never_changes_once_final(key, record, events, ledger)
        self.threads_have_one_holder_that_has_not_ended(runs)

    def is_in_one_agenda(self, key, record, agendas):
        entries = [stage.value for stage, members in agendas.items() if key in members]
        if record["stage"] != "done":
            assert entries == [record["stage"]]
        else:
            assert entries in ([], ["finalize"] if record["tells"] == "1" else [])

    def counts_open_calls(self, record, ledger):
        if record["stage"] == "tools":
            present = [ledger[f"{record['round']}:{index}:state"] for index in range(2)]
            assert int(record["open"]) == sum(state in OPEN for state in present) > 0
        for round_ in range(1, int(record.get("round", 0)) + (record["stage"] != "tools")):
            states = {ledger[f"{round_}:{index}:state"] for index in range(2)}
            assert "pending" not in states, "a call that nobody will ever run"

    def never_changes_once_final(self, key, record, events, ledger):
        content = ({n: v for n, v in record.items() if n not in BOOKKEEPING}, events, ledger)
        if record["stage"] == "done":
            assert self.final.setdefault(key, content) == content

    def threads_have_one_holder_that_has_not_ended(self, runs):
        root = f"{self.backend.prefix}thread:default:"
        active = {name.removesuffix(":active"): self.backend.sync.get(name)
                  for name in self.backend.sync.scan_iter(f"{root}*:active")}  # fmt: skip
        queued = [
            key for name in self.backend.sync.scan_iter(f"{root}*:waiting")
            for key in self.backend.sync.lrange(name, 0, -1)
        ]  # fmt: skip
        for thread, holder in active.items():
            record = runs[holder][0]
            assert record["stage"] not in {"finalize", "done"}
            assert self.backend.keys.thread("default", record["thread_id"]) == thread
        assert len(queued) == len(set(queued))
        for key, (record, _, _) in runs.items():
            holds = key in active.values()
            if record["stage"] == "waiting":
                assert (key in queued) != holds
            else:
                assert key not in queued
            working = record["stage"] not in {"waiting", "finalize", "done"}
            assert holds == (working and "thread_id" in record) or record["stage"] == "waiting"


@pytest.mark.parametrize("kind", ["redis", "fakeredis"])
def test_a_run_has_one_agenda_entry_gapless_events_and_one_final_record_whatever_happens(kind, redis_url):
    make = (lambda: real(redis_url)) if kind == "redis" else fake
    run_state_machine_as_test(
        lambda: Life(make),
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
