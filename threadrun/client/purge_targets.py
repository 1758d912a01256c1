"""Choose the runs of a purge: by key, by thread, by the time since their end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from threadrun.client.clock import told_ms
from threadrun.client.operation import Operation
from threadrun.client.reading import rows_of
from threadrun.client.stats import OPEN_STAGES
from threadrun.client.traces import doc_of
from threadrun.keys import Keys
from threadrun.status import Stage

BATCH = 200
"""How many runs are looked up, or removed, in one round trip."""

_UNREADABLE = ("", None, None, None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """Name a run to purge, and where it stands."""

    run_key: str
    stage: str | None
    """None: its record has expired; indexes may still name it. Empty: it cannot be read."""
    profile: str
    thread_id: str | None
    finished_ms: int | None
    """None: it has not ended, or does not say when."""
    in_agenda: bool
    """A worker will look at it again: a finished run may have its caller to be told, or twins to be cancelled."""

    @property
    def open(self) -> bool:
        """Whether somebody still carries it."""
        return self.stage not in {None, Stage.DONE} or (self.stage is not None and self.in_agenda)


def looked_at_in(keys: Keys, profile: str) -> list[str]:
    """Name where a run stands as long as a worker will look at it: the agendas, and the watch for its twins."""
    return [*(keys.agenda(stage, profile) for stage in OPEN_STAGES), keys.twins(profile)]


def choose(
    keys: Keys, run_keys: Sequence[str], thread: tuple[str, str] | None, older_than: timedelta | None
) -> Operation[list[Target]]:
    """Look up the runs of a purge, each with where it stands."""
    if older_than is not None:
        return (yield from _ended_before(keys, older_than))
    if thread is not None:
        run_keys = yield from _of_thread(keys, thread)
    return (yield from _looked_up(keys, dict.fromkeys(run_keys)))


def _of_thread(keys: Keys, thread: tuple[str, str]) -> Operation[list[str]]:
    index, mailbox = keys.index_thread(*thread), keys.thread(*thread)

    def call(client: Any) -> Any:
        pipe = client.pipeline(transaction=False)
        pipe.zrange(index, 0, -1)
        pipe.lrange(f"{mailbox}:waiting", 0, -1)
        pipe.get(f"{mailbox}:active")
        return pipe.execute()

    indexed, waiting, active = yield call
    return [*indexed, *waiting, *([active] if active else [])]


def _ended_before(keys: Keys, older_than: timedelta) -> Operation[list[Target]]:
    """Find them by their records, and by the indexes, which outlive a record that has expired."""
    clock, ahead_ms = yield lambda client: _clock(client, keys)
    until_ms = told_ms(clock, ahead_ms) - older_than.total_seconds() * 1000
    named: dict[str, None] = {}
    cursor = -1
    while cursor:
        at = max(cursor, 0)
        cursor, page = yield lambda client: client.scan(at, match=f"{keys.prefix}*", count=1000)  # noqa: B023 called before the next turn
        for name in page:
            doc, groups = doc_of(name.removeprefix(keys.prefix))
            if "run_key" in groups:
                named[groups["run_key"]] = None
            elif doc.pattern.startswith("index:"):
                members = yield lambda client: client.zrangebyscore(name, "-inf", until_ms)  # noqa: B023 called before the next turn
                named.update(dict.fromkeys(members))
    found = yield from _looked_up(keys, named)
    return [one for one in found if _is_past(one, until_ms)]


def _clock(client: Any, keys: Keys) -> Any:
    pipe = client.pipeline(transaction=False)
    pipe.time()
    pipe.hget(keys.clock(), "ahead_ms")
    return pipe.execute()


def _is_past(target: Target, until_ms: float) -> bool:
    ended_ms = 0 if target.stage is None else target.finished_ms
    return not target.open and ended_ms is not None and ended_ms <= until_ms


def _looked_up(keys: Keys, run_keys: Iterable[str]) -> Operation[list[Target]]:
    found: list[Target] = []
    for batch in batches(list(run_keys)):
        records = yield from rows_of(keys, batch, "stage", "profile", "thread_id", "finished_ms")
        rows = [row or _UNREADABLE for row in records]
        places = [(run_key, row[1] or "default") for run_key, row in zip(batch, rows, strict=True)]
        scores = yield lambda client: _scores(client, keys, places)  # noqa: B023 called before the next turn
        for at, (stage, profile, thread_id, finished) in enumerate(rows):
            width = len(work_on(keys, profile or "default"))
            in_agenda = any(score is not None for score in scores[at * width : (at + 1) * width])
            ended_ms = int(finished) if finished and finished.isdecimal() else None
            found.append(Target(batch[at], stage, profile or "default", thread_id, ended_ms, in_agenda))
    return found


def work_on(keys: Keys, profile: str) -> list[str]:
    """Name the sorted sets of what workers still have to do for a profile's runs."""
    return [*(keys.agenda(stage, profile) for stage in OPEN_STAGES), keys.twins(profile)]


def _scores(client: Any, keys: Keys, places: Sequence[tuple[str, str]]) -> Any:
    pipe = client.pipeline(transaction=False)
    for run_key, profile in places:
        for name in work_on(keys, profile):
            pipe.zscore(name, run_key)
    return pipe.execute()


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into parts of one round trip each."""
    return (items[at : at + BATCH] for at in range(0, len(items), BATCH))
