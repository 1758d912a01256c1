"""Read what a run waits for at this moment: its next look, its thread, its handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from threadrun.client.clock import told_ms
from threadrun.client.operation import Operation
from threadrun.client.reading import checked, stored
from threadrun.client.stats import ALIVE_SECONDS, OPEN_STAGES
from threadrun.errors import RecordDamaged, RecordTooNew, RunNotFound
from threadrun.keys import Keys
from threadrun.records import SCHEMA, telling_damage, utc, utc_or_none
from threadrun.status import CallState, Outcome, RunStatus, Stage

_FIELDS = (
    "schema", "stage", "status", "outcome", "profile", "thread_id", "created_ms", "lease_ms", "cancel_ms", "tells",
    "progress", "quarantined_ms", "deadline_ms", "tools_until_ms",
)  # fmt: skip
_CALL_FIELDS = (
    "state",
    "tool",
    "attempts",
    "worker",
    "claimed_ms",
    "deadline_ms",
    "sends",
    "sent_ms",
    "queue",
    "quarantined_ms",
)


_OPEN_CALLS = frozenset({CallState.PENDING, CallState.CLAIMED, CallState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class CallWait:
    """Show a tool call of the present round that has no output yet."""

    round: int
    index: int
    tool: str
    state: CallState
    """`pending`, `claimed` or `unknown`."""
    attempt: int
    """Which time its handler runs; 0: never entered yet."""
    queue: str
    """The queue its message is in."""
    sends: int
    """How often its message was sent."""
    sent_at: datetime | None
    worker: str
    """Who runs its handler; empty while pending."""
    worker_seen_at: datetime | None
    """That worker's last heartbeat; none: it has left the list of workers."""
    claimed_at: datetime | None
    deadline_at: datetime | None
    """When its handler must have ended."""
    tool_seen_at: datetime | None
    """When a worker last said that it serves this tool; none: nobody within a day."""
    quarantined: bool = False
    """Too many handlers' processes died with it."""


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Show what a run waits for; everything is as of `at`."""

    key: str
    """The run key."""
    at: datetime
    """Redis's time."""
    stage: Stage
    status: RunStatus | None
    outcome: Outcome | None
    profile: str
    created_at: datetime
    """When it was enqueued."""
    agendas: tuple[Stage, ...]
    """The agendas that have an entry for it; exactly that of its stage unless it is done."""
    next_look_at: datetime | None
    """When it is due; in the past: since when. None: no agenda has it."""
    in_hand: bool
    """A worker holds its claim at this moment; `next_look_at` is then when the claim lapses."""
    profile_seen_at: datetime | None
    """When a worker last said that it serves this profile; none: nobody within a day."""
    held: str
    """Why it is held back: `unauthorized`, `rate_limited`, `busy_thread`, …; empty: it is not."""
    errors: int
    """Consecutive looks that got no usable answer."""
    unconfirmed_post: str
    """A POST whose effect is not known yet: `create_run`, `submit_outputs`, …; empty: there is none."""
    cancel_requested: bool
    thread_id: str | None
    thread_holder: str | None
    """The run key that holds its thread; in stage waiting another than its own."""
    thread_holder_stage: str | None
    """The stage of that run, which a newer threadrun may have named; none: it has no record."""
    runs_ahead: int
    """In stage waiting: how many others wait for the thread before it."""
    calls: tuple[CallWait, ...]
    """Tool calls of the present round without an output."""
    quarantined_at: datetime | None
    """When it was put in quarantine, for its workers died with it; none: it is not."""
    deadline_at: datetime
    """When it is brought to an end."""
    tools_until: datetime | None
    """When the calls of the present round must have their outputs."""
    tells: bool
    """Done, but the caller's `on_done` task is still to be sent."""

    @property
    def final(self) -> bool:
        """Tell whether the record is final."""
        return self.stage is Stage.DONE

    @property
    def profile_served(self) -> bool:
        """Tell whether a living worker serves its profile."""
        return self.is_alive(self.profile_seen_at)

    def is_alive(self, seen_at: datetime | None) -> bool:
        """Tell whether a last sight is recent enough to count as alive."""
        return seen_at is not None and (self.at - seen_at).total_seconds() <= ALIVE_SECONDS


def waits_for(keys: Keys, run_key: str) -> Operation[WaitsFor]:
    """Read what a run waits for.

    Raises:
        RunNotFound: No record stands under this key.
        RecordTooNew: A newer threadrun wrote it.
        RecordDamaged: It cannot be read, or that of the run that holds its thread.
    """
    checked(run_key)
    profile, thread_id, round_ = yield from stored(
        run_key, lambda client: client.hmget(keys.run(run_key), "profile", "thread_id", "round")
    )
    thread = keys.thread(profile, thread_id) if profile and thread_id else keys.nothing()
    fields, clock, ahead_ms, seen_ms, holder, place, *scores = yield lambda client: _state(
        client, keys, run_key, profile or "", thread
    )
    row = dict(zip(_FIELDS, fields, strict=True))
    if not any(fields):
        raise RunNotFound(run_key)
    if row["profile"] is None:
        raise RecordDamaged(run_key, "KeyError")
    with telling_damage(run_key):
        schema = int(row["schema"] or 0)
    if schema > SCHEMA:
        raise RecordTooNew(run_key, schema, SCHEMA)
    calls = (yield from _open_calls(keys, run_key, round_)) if row["stage"] == Stage.TOOLS else ()
    holder_stage = None
    if holder and holder != run_key:
        holder_stage = yield from stored(holder, lambda client: client.hget(keys.run(holder), "stage"))
    found = dict(zip(OPEN_STAGES, scores, strict=True))
    due = {stage: float(score) for stage, score in found.items() if score is not None}
    mailbox = (holder, holder_stage, int(place or 0))
    with telling_damage(run_key):
        return _assembled(run_key, row, due, told_ms(clock, ahead_ms), seen_ms, mailbox, calls)


def _state(client: Any, keys: Keys, run_key: str, profile: str, thread: str) -> Any:
    pipe = client.pipeline(transaction=True)
    pipe.hmget(keys.run(run_key), _FIELDS)
    pipe.time()
    pipe.hget(keys.clock(), "ahead_ms")
    pipe.zscore(keys.profiles(), profile)
    pipe.get(f"{thread}:active")
    pipe.lpos(f"{thread}:waiting", run_key)
    for stage in OPEN_STAGES:
        pipe.zscore(keys.agenda(stage, profile), run_key)
    return pipe.execute()


def _open_calls(keys: Keys, run_key: str, round_: str | None) -> Operation[tuple[CallWait, ...]]:
    ledger = keys.calls(run_key)
    with telling_damage(run_key):
        number = int(round_ or 0)
    size = yield from stored(run_key, lambda client: client.hget(ledger, f"{number}:size"))
    with telling_damage(run_key):
        names = [f"{number}:{index}:{name}" for index in range(int(size or 0)) for name in _CALL_FIELDS]
    if not names:
        return ()
    values = yield lambda client: client.hmget(ledger, names)
    width = len(_CALL_FIELDS)
    rows = [
        dict(zip(_CALL_FIELDS, values[at : at + width], strict=True)) for at in range(0, len(values), width)
    ]
    waiting = [(at, row) for at, row in enumerate(rows) if row["state"] in _OPEN_CALLS]
    if not waiting:
        return ()
    workers, tools = yield lambda client: _sights(client, keys, [row for _, row in waiting])
    with telling_damage(run_key):
        return tuple(
            _call_wait(number, at, row, worker_ms, tool_ms)
            for (at, row), worker_ms, tool_ms in zip(waiting, workers, tools, strict=True)
        )


def _sights(client: Any, keys: Keys, rows: Sequence[Mapping[str, str | None]]) -> Any:
    pipe = client.pipeline(transaction=False)
    pipe.zmscore(keys.workers(), [row["worker"] or "" for row in rows])
    pipe.zmscore(keys.tools_seen(), [row["tool"] or "" for row in rows])
    return pipe.execute()


def _call_wait(
    round_: int, index: int, row: Mapping[str, str | None], worker_ms: float | None, tool_ms: float | None
) -> CallWait:
    claimed = row["state"] == CallState.CLAIMED
    return CallWait(
        round=round_,
        index=index,
        tool=row["tool"] or "",
        state=CallState(row["state"] or ""),
        attempt=int(row["attempts"] or 0),
        queue=row["queue"] or "tools",
        sends=int(row["sends"] or 0),
        sent_at=utc_or_none(row["sent_ms"]),
        worker=(row["worker"] or "") if claimed else "",
        worker_seen_at=_sight(worker_ms) if claimed else None,
        claimed_at=utc_or_none(row["claimed_ms"]) if claimed else None,
        deadline_at=utc_or_none(row["deadline_ms"]) if claimed else None,
        tool_seen_at=_sight(tool_ms),
        quarantined=row["quarantined_ms"] not in {None, "", "0"},
    )


def _sight(ms: float | None) -> datetime | None:
    return None if ms is None else utc(int(ms))


def _assembled(
    run_key: str,
    row: Mapping[str, str | None],
    due: Mapping[Stage, float],
    now_ms: int,
    profile_seen_ms: float | None,
    mailbox: tuple[str | None, str | None, int],
    calls: tuple[CallWait, ...],
) -> WaitsFor:
    progress = from_json(row["progress"] or "{}")
    stage = Stage(row["stage"] or "")
    holder, holder_stage, ahead = mailbox
    entry = due.get(Stage.FINALIZE if stage is Stage.DONE else stage)
    return WaitsFor(
        key=run_key,
        at=utc(now_ms),
        stage=stage,
        status=RunStatus(row["status"]) if row["status"] else None,
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        profile=row["profile"] or "",
        created_at=utc(row["created_ms"] or 0),
        agendas=tuple(due),
        next_look_at=_sight(entry),
        in_hand=stage is not Stage.DONE and int(row["lease_ms"] or 0) > now_ms,
        profile_seen_at=_sight(profile_seen_ms),
        held=str(progress.get("held", "")),
        errors=int(progress.get("errors", 0)),
        unconfirmed_post=str((progress.get("intent") or {}).get("effect", "")),
        cancel_requested=bool(row["cancel_ms"]),
        thread_id=row["thread_id"] or None,
        thread_holder=holder,
        thread_holder_stage=holder_stage,
        runs_ahead=ahead,
        quarantined_at=utc_or_none(row["quarantined_ms"]),
        deadline_at=utc(row["deadline_ms"] or 0),
        tools_until=utc_or_none(row["tools_until_ms"]),
        calls=calls,
        tells=stage is Stage.DONE and row["tells"] == "1" and entry is not None,
    )
