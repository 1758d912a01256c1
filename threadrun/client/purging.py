"""Remove finished runs from Redis without a trace, and prove it by a walk over the keyspace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from threadrun.client.operation import Operation
from threadrun.client.purge_targets import Target, batches, choose, work_on
from threadrun.client.queued import is_ours
from threadrun.client.reading import checked, checked_texts, get, rows_of
from threadrun.client.traces import EVENTS, Search, Sought, Trace, search
from threadrun.client.waiting import waits_for
from threadrun.errors import (
    InvalidRequest,
    Problem,
    RecordDamaged,
    RecordTooNew,
    RunNotFound,
    RunsStillOpen,
)
from threadrun.keys import Keys
from threadrun.scripts import script_text
from threadrun.status import Outcome, RunStatus, Stage

_LABELS = tuple(dict.fromkeys(["none", *RunStatus, *Outcome]))


@dataclass(frozen=True, slots=True)
class Purged:
    """Say what a purge removed, and what a walk over all keys found afterwards."""

    run_keys: tuple[str, ...]
    """The runs of which something was removed."""
    keys_deleted: int
    """Redis keys that went as a whole."""
    entries_removed: int
    """Members of indexes, entries of the stream, messages and mentions that went."""
    keys_looked_at: int
    """The proof: how many keys' names were compared with what was purged."""
    entries_looked_at: int
    """The proof: how many members, fields and elements were."""
    left: tuple[Trace, ...]
    """What still names a purged run or thread; empty: nothing does."""

    @property
    def clean(self) -> bool:
        """Whether nothing is left."""
        return not self.left


@dataclass(slots=True)
class _Tally:
    run_keys: dict[str, None]
    keys: int = 0
    entries: int = 0


def purge(
    keys: Keys,
    run_keys: Sequence[str],
    thread: tuple[str, str] | None,
    older_than: timedelta | None,
    clock_key: str | None = None,
    *,
    damaged: bool = False,
) -> Operation[Purged]:
    """Purge the runs that are named, those of a thread, or those that ended so long ago.

    Raises:
        InvalidRequest: Not exactly one of the three is given, or it cannot be.
        RunsStillOpen: One of them has not ended and, with `damaged`, can be read; nothing was purged.
    """
    _check(run_keys, thread, older_than, damaged=damaged)
    yield lambda client: client.scan(count=1)  # who may not prove it must not begin
    targets = yield from choose(keys, run_keys, thread, older_than)
    still = [one for one in targets if one.open]
    held = (yield from _unreadable(keys, still, clock_key)) if damaged else {}
    if whole := [one.run_key for one in still if one.run_key not in held]:
        raise RunsStillOpen(whole)
    tally = _Tally({})
    yield from _remove(keys, targets, held, tally, clock_key)
    sought = Sought(frozenset(one.run_key for one in targets), thread)
    found = yield from search(keys, sought)
    yield from _erase(keys, found, tally, clock_key)
    proof = yield from search(keys, sought)
    return Purged(
        tuple(tally.run_keys), tally.keys, tally.entries, proof.keys, proof.entries, tuple(proof.traces)
    )


def _check(
    run_keys: Sequence[str],
    thread: tuple[str, str] | None,
    older_than: timedelta | None,
    *,
    damaged: bool,
) -> None:
    if bool(run_keys) + (thread is not None) + (older_than is not None) != 1:
        raise InvalidRequest([Problem("", "give run keys, a thread, or an age: one of the three")])
    if older_than is not None and older_than < timedelta(0):
        raise InvalidRequest([Problem("older_than", "0 or more")])
    if damaged and not run_keys:
        raise InvalidRequest([Problem("damaged", "name the runs whose records are damaged")])
    if thread is not None:
        checked_texts(profile=thread[0], thread_id=thread[1])
    for run_key in run_keys:
        checked(run_key)


def _unreadable(keys: Keys, targets: Sequence[Target], clock_key: str | None) -> Operation[dict[str, str]]:
    """Name those that cannot be read, each with what it held before it was tried: it goes only if it still does."""
    text = script_text("purge", clock_key=clock_key, prefix=keys.prefix)
    found: dict[str, str] = {}
    for target in targets:
        call = _script(keys, target, "look")
        _, (*_, held) = yield lambda client: _run_scripts(client, text, [call])  # noqa: B023 called before the next turn
        if (yield from _is_damaged(keys, target.run_key)):
            found[target.run_key] = held
    return found


def _is_damaged(keys: Keys, run_key: str) -> Operation[bool]:
    try:
        yield from get(keys, run_key)
        yield from waits_for(keys, run_key)
    except RecordDamaged as error:
        if error.run_key != run_key:  # that of the holder of its thread
            return False
        return not (yield from _is_newer(keys, run_key))
    except (RecordTooNew, RunNotFound):
        return False
    return False


def _is_newer(keys: Keys, run_key: str) -> Operation[bool]:
    """Tell whether it is in the agenda of a stage that this threadrun does not know: a newer one carries it."""
    (row,) = yield from rows_of(keys, [run_key], "stage", "profile")
    if row is None or row[0] is None or row[0] in set(Stage):
        return False
    agenda = keys.agenda(row[0], row[1] or "")
    score = yield lambda client: client.zscore(agenda, run_key)
    return score is not None


def _remove(
    keys: Keys, targets: Sequence[Target], held: Mapping[str, str], tally: _Tally, clock_key: str | None
) -> Operation[None]:
    text = script_text("purge", clock_key=clock_key, prefix=keys.prefix)
    for batch in batches(targets):
        calls = [_script(keys, one, held.get(one.run_key, "")) for one in batch]
        _, *answers = yield lambda client: _run_scripts(client, text, calls)  # noqa: B023 called before the next turn
        for target, (_, deleted, removed) in zip(batch, answers, strict=True):
            tally.keys += deleted
            tally.entries += removed
            if deleted or removed:
                tally.run_keys[target.run_key] = None


def _script(keys: Keys, target: Target, held: str) -> tuple[list[str], list[Any]]:
    thread = (target.profile, target.thread_id) if target.thread_id else None
    agendas = work_on(keys, target.profile)
    statuses = [keys.index_status(label) for label in _LABELS]
    key_names = [
        keys.thread(*thread) if thread else keys.nothing(),
        keys.index_thread(*thread) if thread else keys.nothing(),
        keys.index_runs(),
        *keys.of_run(target.run_key),
        *agendas,
        *statuses,
    ]
    return key_names, [keys.prefix, target.run_key, len(agendas), len(statuses), held]


def _erase(keys: Keys, found: Search, tally: _Tally, clock_key: str | None) -> Operation[None]:
    text = script_text("forget", clock_key=clock_key, prefix=keys.prefix)
    calls = [
        (trace.run_key, _forget_script(keys, trace, trace.run_key))
        for trace in found.traces
        if trace.run_key is not None and not trace.in_name and _may_go(trace)
    ]
    for batch in batches(calls):
        _, *answers = yield lambda client: _run_scripts(client, text, [call for _, call in batch])  # noqa: B023 called before the next turn
        for (run_key, _), removed in zip(batch, answers, strict=True):
            tally.entries += removed
            if removed:
                tally.run_keys[run_key] = None


def _may_go(trace: Trace) -> bool:
    """Leave messages that a worker has in hand, and those to tasks of others."""
    if not trace.pattern.startswith("mq:"):
        return True
    return trace.type == "string" or (trace.type == "list" and is_ours(trace.element))


def _forget_script(keys: Keys, trace: Trace, run_key: str) -> tuple[list[str], list[Any]]:
    is_mailbox = trace.pattern.startswith("thread:")
    root = trace.key.rpartition(":")[0] if is_mailbox else keys.nothing()
    replay = f'"replay_of":"{run_key}"'
    without = trace.element.replace(replay, '"replay_of":null') if trace.pattern == EVENTS else ""
    return [keys.run(run_key), trace.key, root], [keys.prefix, run_key, trace.type, trace.element, without]


def _run_scripts(client: Any, text: str, calls: Sequence[tuple[list[str], list[Any]]]) -> Any:
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    pipe = client.pipeline(transaction=False)
    pipe.script_load(text)  # in the same round trip, so that Redis cannot have forgotten it
    for key_names, args in calls:
        pipe.evalsha(sha, len(key_names), *key_names, *args)
    return pipe.execute()
