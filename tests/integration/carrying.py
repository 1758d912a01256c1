"""Carry a run through its stages by the store alone: what the engine writes, without engine and provider."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from tests.integration.backend import Backend
from threadrun.client import RunClient
from threadrun.models import Run
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from worker.decide.decision import Changes, Event, NewCall, ThreadMove
from worker.decide.twins import TwinState
from worker.observer import Judging
from worker.store.gates import Kind, Permit, Rate, Verdict
from worker.store.ledger import CallAddress, CallClaim, CallResult, call_claim, row_field
from worker.store.runs import Claimant, Claimed, Final, RunStore, Written
from worker.store.writes import Commit, event_body
from worker.view import CallView, RunView

LEASE_MS = 20_000
RETENTION_MS = 604_800_000

_ops = itertools.count(1)


async def claimed(
    store: RunStore,
    stage: Stage,
    *,
    limit: int = 100,
    profile: str = "default",
    by: Claimant = Claimant(),  # noqa: B008 it never changes
) -> list[RunView]:
    return list((await store.claim(stage, profile, limit, LEASE_MS, by)).runs)


async def claim_one(store: RunStore, stage: Stage) -> RunView:
    (run,) = await claimed(store, stage)
    return run


def commit(
    run: RunView,
    /,
    stage: Stage,
    delay_ms: int = 0,
    *,
    op: str | None = None,
    keep_lease: bool = False,
    polls: int = 0,
    requests: int = 0,
    **changes: Any,
) -> Commit:
    return Commit(
        stage,
        delay_ms,
        Changes(run.progress, **changes),
        keep_lease,
        op or f"op{next(_ops)}",
        polls,
        requests,
    )


async def move(store: RunStore, run: RunView, /, stage: Stage, delay_ms: int = 0, **options: Any) -> Written:
    return await store.commit(run, commit(run, stage, delay_ms, **options))


def shown(status: str, **more: Any) -> Run:
    return Run.from_wire({"id": "run_1", "status": status, **more})


def calls(count: int, *, state: CallState = CallState.PENDING, **more: Any) -> tuple[NewCall, ...]:
    return tuple(
        NewCall(index, f"call_{index}", "function", "add", '{"a":1}', state, **more) for index in range(count)
    )


async def created(store: RunStore, run_id: str = "run_1", thread_id: str | None = None) -> RunView:
    """Carry the one run in stage create to stage poll."""
    run = await claim_one(store, Stage.CREATE)
    facts = {"run_id": run_id} | ({"thread_id": thread_id} if thread_id else {})
    assert (
        await move(
            store,
            run,
            Stage.POLL,
            facts=facts,
            fact_events=(Event("run.created", {"run_id": run_id}),),
            thread=ThreadMove.TAKE if thread_id else ThreadMove.KEEP,
            run=shown("queued"),
        )
    ).ok
    return run


async def opened(
    store: RunStore, clock_ms: int, count: int = 2, *, until_ms: int | None = None, **more: Any
) -> RunView:
    """Carry the one run in stage poll to stage tools, with a round of calls."""
    run = await claim_one(store, Stage.POLL)
    rows = calls(count, **more)
    assert (
        await move(
            store,
            run,
            Stage.TOOLS,
            5_000,
            opened=rows,
            tools_until_ms=until_ms if until_ms is not None else clock_ms + 600_000,
            run=shown("requires_action"),
            events=(Event("run.requires_action", {"round": run.round + 1, "calls": count}),),
        )
    ).ok
    return run


async def claim_call(
    store: RunStore, at: CallAddress, token: str, *, limit_ms: int = 60_000, worker: str = "tools@a"
) -> CallClaim:
    event = event_body(Event("tool.claimed", {"round": at.round, "index": at.index}))
    tool = await store._client.hget(store.keys.calls(at.run_key), row_field(at.round, at.index, "tool"))
    served = {tool or "add": limit_ms}
    return call_claim(await store.ledger.claim(at, token, worker, 4711, served, event))


async def settle(
    store: RunStore,
    at: CallAddress,
    token: str,
    output: str = "7",
    kind: str = "ok",
    *,
    op: str | None = None,
) -> tuple[str, int]:
    event = event_body(Event("tool.settled", {"round": at.round, "index": at.index}))
    result = CallResult(output, kind)
    verdict, left = await store.ledger.settle(at, token, result, event, op or f"op{next(_ops)}")
    return str(verdict), int(left)


async def reopen(store: RunStore, at: CallAddress, token: str, delay_ms: int = 0) -> bool:
    event = event_body(Event("tool.reopened", {"round": at.round, "index": at.index}))
    return bool(await store.ledger.reopen(at, token, delay_ms, event))


async def set_aside(
    store: RunStore, at: CallAddress, token: str, choice: OnUnknown = OnUnknown.PARK, **deaths: Any
) -> bool:
    """Note that a claimed call's outcome is unknown."""
    call = CallView(at.index, CallState.CLAIMED, "add", token=token, on_unknown=choice, **deaths)
    event = event_body(Event("tool.parked", {"round": at.round, "index": at.index}))
    return bool(await store.ledger.set_aside(at, call, "unknown_outcome", "", event))


async def park(store: RunStore, at: CallAddress, token: str = "t", **deaths: Any) -> None:
    """Have a call claimed and parked."""
    assert (await claim_call(store, at, token)).verdict == "yes"
    assert await set_aside(store, at, token, **deaths)


HELD_BY = "runs@dead"


def claimant(worker_id: str = "runs@b", judging: Judging = Judging.YES, **more: Any) -> Claimant:
    return Claimant(worker_id, judging, **more)


async def die_with(backend: Backend, store: RunStore, stage: Stage, *, worker: str = HELD_BY) -> Claimed:
    """Have a worker claim what is due, then die with it in its hands; its lease lapses."""
    backend.sync.zadd(backend.keys.workers(), {worker: backend.now_ms()})
    claimed = await store.claim(stage, "default", 100, LEASE_MS, claimant(worker))
    backend.turn(LEASE_MS / 1000)
    return claimed


async def kill_workers(backend: Backend, store: RunStore, stage: Stage, times: int) -> None:
    """Have so many workers die with the one run that is due."""
    for at in range(times):
        claimed = await die_with(backend, store, stage, worker=f"runs@{at}")
        assert len(claimed.runs) == 1


async def decided_life(backend: Backend, client: RunClient, store: RunStore) -> None:
    """Carry a run through everything that a person decides about."""
    key = client.enqueue("asst", messages="hi", idempotency_key="e").key
    await kill_workers(backend, store, Stage.CREATE, 4)
    assert (await store.claim(Stage.CREATE, "default", 100, LEASE_MS, claimant())).quarantined == (key,)
    client.release(key)
    await created(store)
    await opened(store, backend.now_ms(), 1)
    at = CallAddress(key, 1, 0)
    await park(store, at, strikes=3, deaths=3, quarantined=True)
    client.release(f"{key}/1/0")
    await park(store, at, "again")
    client.resolve(f"{key}/1/0", "42")
    await finish_from(store, Stage.TOOLS)


async def ended(store: RunStore, run: RunView, outcome: Outcome = Outcome.COMPLETED) -> Written:
    return await move(
        store,
        run,
        Stage.FINALIZE,
        thread=ThreadMove.FREE,
        withdraw=True,
        events=(Event("run.ended", {"outcome": outcome.value}),),
    )


def last_words(
    run: RunView,
    outcome: Outcome = Outcome.COMPLETED,
    *,
    op: str | None = None,
    counters: dict[str, int] | None = None,
    retention_ms: int = RETENTION_MS,
) -> Final:
    return Final(
        outcome=outcome,
        fields={"steps": "[]", "messages": "[]", "missing": "[]"},
        event=event_body(Event("run.finished", {"outcome": outcome.value})),
        day="2026-09-21",
        counters={"runs|gpt|asst": 1, "total_tokens|gpt|asst": 12} if counters is None else counters,
        retention_ms=retention_ms,
        op=op or f"{run.claim}.finish",
        requests=3,
    )


async def finish_from(store: RunStore, stage: Stage, outcome: Outcome = Outcome.COMPLETED) -> RunView:
    """End the one run of a stage and write its final record."""
    assert (await ended(store, await claim_one(store, stage), outcome)).ok
    run = await claim_one(store, Stage.FINALIZE)
    assert (await store.finish(run, last_words(run, outcome))).ok
    return run


async def permitted(
    store: RunStore,
    kind: Kind = Kind.GET,
    *,
    rate: Rate | None = None,
    patience_ms: int = 0,
    probe_ms: int = 15_000,
    token: str = "",
) -> Permit:
    return await store.gates.permit(
        "default",
        kind,
        rate or Rate(),
        patience_ms=patience_ms,
        probe_ms=probe_ms,
        token=token or f"permit{next(_ops)}",
    )


async def noted(
    store: RunStore,
    verdict: Verdict,
    kind: Kind = Kind.GET,
    *,
    took_ms: int = 0,
    wish_ms: int = 0,
    most_failures: int = 3,
    token: str = "",
) -> list[tuple[str, bool, int]]:
    """Note an answer; gives gate, whether it was paused, and for how long (ms), of each change."""
    changes = await store.gates.note(
        "default",
        kind,
        verdict,
        took_ms=took_ms,
        wish_ms=wish_ms,
        most_failures=most_failures,
        token=token or f"note{next(_ops)}",
    )
    return [(change.gate, change.paused, change.pause_ms) for change in changes]


async def whole_life(client: RunClient, store: RunStore, clock_ms: int, **options: Any) -> str:
    """Carry one run from enqueue to its final record, with a thread of its own and a round of two calls."""
    key = client.enqueue("asst", messages="add 3 and 4", **options).key
    await created(store, thread_id="thread_new")
    run = await opened(store, clock_ms, 2)
    for index in range(2):
        at = CallAddress(key, run.round + 1, index)
        assert (await claim_call(store, at, f"token{index}")).verdict == "yes"
        await settle(store, at, f"token{index}", op=f"token{index}")
    await move(
        store, await claim_one(store, Stage.SUBMIT), Stage.POLL, submitted=(0, 1), run=shown("in_progress")
    )
    await finish_from(store, Stage.POLL)
    return key


def agendas(dump: dict[str, Any]) -> dict[str, Sequence[tuple[str, float]]]:
    return {name.split(":")[1]: value for name, value in dump.items() if name.startswith("agenda:")}


async def doubted(store: RunStore, *, delay_ms: int = 60_000) -> RunView:
    """Have the one run in stage create watched for a twin, as before a second create."""
    run = await claim_one(store, Stage.CREATE)
    op = f"doubt{run.claim}"
    assert (await move(store, run, Stage.CREATE, delay_ms, op=op, watch_twins=True)).ok
    return run


async def watch_on(store: RunStore, backend: Any) -> None:
    """Look after the one watch once it is due, and go on watching."""
    backend.turn(3)
    (watch,) = (await store.twins.claim("default", 10, LEASE_MS)).watches
    assert await store.twins.write("default", watch, 3_000, {"run_9": TwinState.FOUND})
