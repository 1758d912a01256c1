"""Read and write runs for the engine, over one asyncio client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from threadrun.keys import INDEX_LIFE_SECONDS, Keys
from threadrun.status import Outcome, Stage
from worker.observer import Judging
from worker.redis_clock import NO_LATEST_MS
from worker.replace import replace
from worker.store.gates import GATE_FIELDS, SharedGates
from worker.store.ledger import ROW_FIELDS, Ledger, call_view, row_field
from worker.store.scripts import Arg, Scripts
from worker.store.twins import TwinStore
from worker.store.writes import Commit, commit_args, commit_keys, new_op
from worker.view import RECORD_FIELDS, SCHEMA, CallView, RunView, run_view

TURN_PAUSE_MS = 100
"""How soon a suspect that has to wait for its turn is looked at again."""

JUDGEMENT_PAUSE_MS = 1_000
"""How soon a run is looked at again whose last holder can be called neither dead nor alive."""


UNREAD_TIMES = 3
"""How often a record is found unreadable before it is listed for a person."""

LONGEST_UNREAD_MS = 3_600_000
"""The longest pause before such a record is looked at again."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Say who claims, and what it knows of the dead."""

    worker_id: str = ""
    judging: Judging = Judging.NO
    dead_after_ms: int = 15_000
    takes_suspect: bool = True
    """It has no suspect in its hands, so it may be given one."""
    max_strikes: int = 3
    latest_ms: int = NO_LATEST_MS
    """When Redis tells a later time its clock has jumped, and it gives nothing out."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Hold what a claim got."""

    now_ms: int
    """Redis's clock at the claim."""
    runs: tuple[RunView, ...]
    unreadable: tuple[str, ...] = ()
    """Run keys whose records this worker cannot read; they are put off by `unread`."""
    quarantined: tuple[str, ...] = ()
    """Run keys that were found to have killed their worker once too often."""


@dataclass(frozen=True, slots=True)
class Written:
    """Say how a write went."""

    ok: bool
    """False: somebody else was first; facts were kept, the decision was not."""
    version: int
    seq: int
    """The number of the run's last event; -1: the record was final and nothing was kept."""
    learnt: bool = False
    """A fact of this write was new."""


@dataclass(frozen=True, slots=True)
class Final:
    """What the final record adds."""

    outcome: Outcome
    fields: Mapping[str, Arg]
    event: str
    day: str
    """UTC day of the counters."""
    counters: Mapping[str, int]
    retention_ms: int
    op: str
    requests: int = 0


class RunStore:
    """Keep runs in Redis; every method is one script or one read."""

    def __init__(self, client: Any, keys: Keys, *, clock_key: str | None = None) -> None:
        self._client = client
        self.keys = keys
        self._scripts = Scripts(client, keys.prefix, clock_key=clock_key)
        self.ledger = Ledger(keys, self._scripts)
        self.gates = SharedGates(keys, self._scripts)
        self.twins = TwinStore(keys, self._scripts)

    async def claim(
        self, stage: Stage, profile: str, limit: int, lease_ms: int, by: Claimant = Claimant()
    ) -> Claimed:
        """Claim due runs; each gets a fresh claim number and is nobody else's until its lease lapses.

        What Redis knows of the profile's gates comes along, so that it costs no request of its own.
        """
        names = self.keys
        keys = [
            names.agenda(stage, profile), names.wake(stage, profile), names.permits(profile), names.workers(),
            names.stream(),
        ]  # fmt: skip
        args: list[Arg] = [
            names.prefix, lease_ms, limit, SCHEMA, by.worker_id, by.judging.value, by.dead_after_ms,
            int(by.takes_suspect), by.max_strikes, TURN_PAUSE_MS, JUDGEMENT_PAUSE_MS, by.latest_ms, len(GATE_FIELDS),
            *GATE_FIELDS, *RECORD_FIELDS, *(("request",) if stage is Stage.CREATE else ()),
        ]  # fmt: skip
        now_ms, gates, quarantined, *rows = await self._scripts.call("claim", keys, args)
        self.gates.hear(profile, int(now_ms), gates)
        views = [_view_or_key(row) for row in rows]
        runs = tuple(view for view in views if isinstance(view, RunView))
        unreadable = tuple(view for view in views if isinstance(view, str))
        return Claimed(int(now_ms), runs, unreadable, tuple(quarantined))

    async def rest(self, run: RunView, delay_ms: int, *, polls: int = 0, requests: int = 0) -> bool:
        """End a claim that changed nothing."""
        return await self._rest(run, delay_ms, polls, requests, keep_lease=False)

    async def renew(self, run: RunView, lease_ms: int) -> bool:
        """Renew a claim; false: it is lost, and the work in hand must be dropped."""
        return await self._rest(run, lease_ms, 0, 0, keep_lease=True)

    async def _rest(
        self, run: RunView, delay_ms: int, polls: int, requests: int, *, keep_lease: bool
    ) -> bool:
        # A finished run waits in finalize's agenda until its caller is told.
        stage = Stage.FINALIZE if run.stage is Stage.DONE else run.stage
        keys = [self.keys.run(run.key), self.keys.agenda(stage, run.profile)]
        args: list[Arg] = [
            run.key,
            run.version,
            run.claim,
            run.news,
            delay_ms,
            polls,
            requests,
            int(keep_lease),
        ]
        return bool(await self._scripts.call("rest", keys, args))

    async def attend(
        self,
        run: RunView,
        delay_ms: int,
        op: str,
        by: Claimant = Claimant(),
        *,
        polls: int = 0,
        requests: int = 0,
    ) -> int:
        """Put off the entry of a run that is looked at without a lease; 0: it is somebody else's by now, or due.

        It is 0 too when Redis's clock has jumped: the entry stays where it is.

        Otherwise gives Redis's clock; what Redis knows of the profile's gates comes along too, as with a claim.
        """
        names = self.keys
        keys = [names.run(run.key), names.agenda(run.stage, run.profile), names.permits(run.profile)]
        args: list[Arg] = [
            run.key, run.version, run.claim, run.news, delay_ms, polls, requests, op, by.worker_id, by.latest_ms,
            *GATE_FIELDS,
        ]  # fmt: skip
        held, now_ms, gates = await self._scripts.call("attend", keys, args)
        self.gates.hear(run.profile, int(now_ms), gates)
        return int(now_ms) if int(held) else 0

    async def commit(self, run: RunView, write: Commit) -> Written:
        """Write facts and, for the newest claim, the decision."""
        answer = await self._scripts.call(
            "commit", commit_keys(self.keys, run, write), commit_args(self.keys, run, write)
        )
        ok, version, seq, learnt = (int(item) for item in answer)
        return Written(bool(ok), version, seq, learnt=bool(learnt))

    async def finish(self, run: RunView, final: Final) -> Written:
        """Write the final record, once."""
        keys = [
            self.keys.run(run.key),
            self.keys.calls(run.key),
            self.keys.stream(),
            self.keys.agenda(Stage.FINALIZE, run.profile),
            self.keys.usage(final.day),
            self.keys.thread(run.profile, run.thread_id or "-"),
        ]
        args: list[Arg] = [
            self.keys.prefix, run.key, final.op, run.version, run.claim, final.retention_ms, int(run.tells),
            run.index_label, final.outcome.value, final.event, INDEX_LIFE_SECONDS, int(run.thread_id is not None),
            final.requests, len(final.fields), len(final.counters),
        ]  # fmt: skip
        for name, value in (*final.fields.items(), *final.counters.items()):
            args += [name, value]
        ok, seq = (int(item) for item in await self._scripts.call("finish", keys, args))
        return Written(bool(ok), run.version + 1, seq)

    async def failed(self, run: RunView) -> int:
        """Count an advance that a defect of ours broke off, if the run's deadline has passed; gives how many."""
        return int(await self._scripts.call("failed", [self.keys.run(run.key)], [run.claim]))

    async def unread(self, stage: Stage, profile: str, run_key: str, first_ms: int) -> int:
        """Put a run off whose record cannot be read, in the end until a person looks; gives how often that was."""
        keys = [self.keys.run(run_key), self.keys.agenda(stage, profile), self.keys.stream()]
        args: list[Arg] = [
            self.keys.prefix,
            run_key,
            new_op(),
            first_ms,
            LONGEST_UNREAD_MS,
            UNREAD_TIMES,
        ]
        return int(await self._scripts.call("unread", keys, args))

    async def told(self, run: RunView) -> bool:
        """Note that the caller's task was sent."""
        keys = [self.keys.run(run.key), self.keys.agenda(Stage.FINALIZE, run.profile)]
        return bool(await self._scripts.call("told", keys, [run.key, run.claim]))

    async def calls(self, run: RunView) -> tuple[CallView, ...]:
        """Read the ledger rows of the run's round."""
        count = run.round_size
        if not count:
            return ()
        # The outputs, which may be long, are wanted where they are sent.
        columns = (*ROW_FIELDS, "output") if run.stage is Stage.SUBMIT else ROW_FIELDS
        names = [row_field(run.round, index, name) for index in range(count) for name in columns]
        values: list[str | None] = await self._client.hmget(self.keys.calls(run.key), names)
        rows = (values[at : at + len(columns)] for at in range(0, len(values), len(columns)))
        known = len(ROW_FIELDS)
        return tuple(call_view(index, row[:known], *row[known:]) for index, row in enumerate(rows))

    async def outputs(self, run: RunView) -> tuple[tuple[str, str], ...]:
        """Read tool call ids and outputs of the run's round, in order."""
        return tuple((call_id, output) for call_id, output in await self._rows(run, "tool_call_id", "output"))

    async def arguments(self, run: RunView) -> tuple[str, ...]:
        """Read the arguments of the calls of the run's round, in order."""
        return tuple(row[0] for row in await self._rows(run, "arguments"))

    async def _rows(self, run: RunView, *names: str) -> list[tuple[str, ...]]:
        fields = [row_field(run.round, call.index, name) for call in run.calls for name in names]
        values = await self._client.hmget(self.keys.calls(run.key), fields) if fields else []
        texts = [value or "" for value in values]
        return [tuple(texts[at : at + len(names)]) for at in range(0, len(texts), len(names))]

    async def text(self, run_key: str, *fields: str) -> Sequence[str | None]:
        """Read big fields of the record."""
        values: Sequence[str | None] = await self._client.hmget(self.keys.run(run_key), list(fields))
        return values

    async def heartbeats(self, worker_ids: Sequence[str]) -> dict[str, float | None]:
        """Read when workers were last seen, in milliseconds."""
        seen = await self._client.zmscore(self.keys.workers(), list(worker_ids))
        return dict(zip(worker_ids, seen, strict=True))

    async def calls_in_hand(self, worker_ids: Sequence[str]) -> dict[str, int]:
        """Count the calls that workers had in hand when they last said so."""
        pipe = self._client.pipeline(transaction=False)
        for worker_id in worker_ids:
            pipe.zcard(self.keys.hands(worker_id))
        return dict(zip(worker_ids, await pipe.execute(), strict=True))

    async def holds_thread(self, run: RunView) -> bool:
        """Tell whether the mailbox names this run as its thread's holder."""
        if run.thread_id is None:
            return True
        active = await self._client.get(self.keys.thread(run.profile, run.thread_id) + ":active")
        return bool(active == run.key)


def _view_or_key(row: Sequence[Any]) -> RunView | str:
    """Type a claimed row; one bad record must not take those claimed with it down."""
    try:
        fields, end = row[1], len(RECORD_FIELDS)
        view = run_view(row[0], fields[:end])
        return replace(view, request=fields[end] or "") if len(fields) > end else view
    except (ValueError, TypeError, AttributeError, LookupError):
        return str(row[0])
