"""Read runs: one record, a list, events, and the wait for the end."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from threadrun.client.operation import Call, Operation, Pause, unavailable
from threadrun.client.patience import Patience, patiently
from threadrun.errors import (
    InvalidRequest,
    Problem,
    RecordDamaged,
    RunNotFound,
    StoreUnavailable,
    WaitTimeout,
)
from threadrun.keys import Keys
from threadrun.plain_json import plain_json
from threadrun.records import (
    RunRecord,
    RunSummary,
    Transition,
    run_record,
    telling_damage,
    utc,
    utc_or_none,
)
from threadrun.request import RUN_KEY_PATTERN
from threadrun.scripts import script_text
from threadrun.status import Outcome, RunStatus, Stage

E = TypeVar("E", bound=StrEnum)

FIRST_LOOK_SECONDS, SLOWEST_LOOK_SECONDS = 0.02, 0.25
"""How often a waiting caller looks at a run: often at first, then four times a second."""

LAST_INDEX = 2**63 - 1
"""Redis knows no higher index of a list."""

SUMMARY_FIELDS = (
    "stage", "status", "outcome", "profile", "thread_id", "run_id", "created_ms", "finished_ms",
)  # fmt: skip


def misasked(*problems: Problem) -> InvalidRequest:
    """Refuse a question; unlike an enqueue it would have stored nothing anyway."""
    return InvalidRequest(problems, "Correct it and ask again.")


def checked_texts(**texts: object) -> None:
    """Refuse what is no text that could be part of a Redis key.

    Raises:
        InvalidRequest: with the name of each.
    """
    problems: list[Problem] = []
    plain_json(texts, "", problems)
    if problems:
        raise misasked(*problems)


def checked(run_key: str) -> str:
    """Refuse a run key that cannot exist, before it becomes part of a Redis key.

    Raises:
        InvalidRequest: The key has characters or a length that no run key has.
    """
    if not isinstance(run_key, str) or not RUN_KEY_PATTERN.fullmatch(run_key):
        raise misasked(Problem("run_key", "1 to 128 characters of A-Z a-z 0-9 . _ : - are allowed"))
    return run_key


def stored(run_key: str, call: Call) -> Operation[Any]:
    """Ask for what stands under a run's own keys.

    Raises:
        RecordDamaged: A key is of another type than ours.
    """
    try:
        return (yield call)
    except StoreUnavailable as error:
        if _is_of_another_type(error.__cause__):
            raise RecordDamaged(run_key, "WRONGTYPE") from None
        raise


def rows_of(
    keys: Keys, run_keys: Sequence[str], *fields: str
) -> Operation[list[Sequence[str | None] | None]]:
    """Read fields of many records in one round trip; none for a key that is no hash, so that it hides no other."""

    def call(client: Any) -> Any:
        pipe = client.pipeline(transaction=False)
        for run_key in run_keys:
            pipe.hmget(keys.run(run_key), fields)
        return pipe.execute(raise_on_error=False)

    return [None if isinstance(row, Exception) else row for row in told_apart((yield call))]


def told_apart(answers: Sequence[Any]) -> Sequence[Any]:
    """Leave the errors that tell of a key of another type than ours in their places.

    Raises:
        StoreUnavailable: There is an error that tells of anything else.
    """
    for answer in answers:
        if isinstance(answer, Exception) and not _is_of_another_type(answer):
            raise unavailable(answer)
    return answers


def _is_of_another_type(error: BaseException | None) -> bool:
    return "WRONGTYPE" in str(error)


def get(keys: Keys, run_key: str) -> Operation[RunRecord]:
    """Read a whole record at one moment.

    Raises:
        RunNotFound: No record stands under this key.
        RecordTooNew: A newer threadrun wrote it.
        RecordDamaged: It cannot be read.
    """
    checked(run_key)

    def call(client: Any) -> Any:
        pipe = client.pipeline(transaction=True)
        pipe.hgetall(keys.run(run_key))
        pipe.lrange(keys.events(run_key), 0, -1)
        pipe.hgetall(keys.calls(run_key))
        return pipe.execute()

    fields, events, calls = yield from stored(run_key, call)
    if not fields:
        raise RunNotFound(run_key)
    return run_record(run_key, fields, events, calls)


def wait(keys: Keys, run_key: str, timeout_seconds: float | None) -> Operation[RunRecord]:
    """Wait until the record is final, then read it.

    Raises:
        WaitTimeout: It was not final in time; the run goes on.
        RunNotFound: No record stands under this key.
        StoreUnavailable: Redis never answered, or stopped and did not come back in time.
    """
    checked(run_key)
    until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    pause, patience = FIRST_LOOK_SECONDS, Patience(until)
    while True:
        stage = yield from patiently(lambda: _stage(keys, run_key), patience)
        if stage is None:
            raise RunNotFound(run_key)
        if stage == Stage.DONE:
            return (yield from patiently(lambda: get(keys, run_key), patience))
        left = pause if until is None else until - time.monotonic()
        if left <= 0:
            raise WaitTimeout(run_key, stage, timeout_seconds or 0)
        yield Pause(min(pause, left))
        pause = min(pause * 1.3, SLOWEST_LOOK_SECONDS)


def _stage(keys: Keys, run_key: str) -> Operation[Any]:
    return (yield from stored(run_key, lambda client: client.hget(keys.run(run_key), "stage")))


def events(keys: Keys, run_key: str, after: int) -> Operation[tuple[list[Transition], bool]]:
    """Read the events after a seq, and whether the record is final.

    Raises:
        InvalidRequest: `after` is no seq.
        RunNotFound: No record stands under this key.
    """
    checked(run_key)
    if not isinstance(after, int) or after < 0:
        raise misasked(Problem("after", "0, or the seq of the last event seen"))
    start = min(after, LAST_INDEX)

    def call(client: Any) -> Any:
        pipe = client.pipeline(transaction=True)
        pipe.lrange(keys.events(run_key), start, -1)
        pipe.hget(keys.run(run_key), "stage")
        return pipe.execute()

    texts, stage = yield from stored(run_key, call)
    if stage is None:
        raise RunNotFound(run_key)
    with telling_damage(run_key):
        return [Transition.load(text) for text in texts], stage == Stage.DONE


def cancel(keys: Keys, run_key: str, clock_key: str | None = None) -> Operation[bool]:
    """Record the wish that a run be cancelled; true if the wish is new.

    Raises:
        RunNotFound: No record stands under this key.
    """
    checked(run_key)
    event = json.dumps({"type": "run.cancel_requested"}, separators=(",", ":"))
    text = script_text("cancel_wish", clock_key=clock_key, prefix=keys.prefix)
    key_names, op = [keys.run(run_key), keys.stream()], uuid.uuid4().hex
    verdict = yield lambda client: client.register_script(text)(
        keys=key_names, args=[keys.prefix, run_key, event, op]
    )
    if verdict == "missing":
        raise RunNotFound(run_key)
    return bool(verdict == "wished")


def list_runs(
    keys: Keys,
    status: RunStatus | Outcome | str | None,
    thread_id: str | None,
    profile: str,
    since: datetime | None,
    limit: int,
    after: str | None,
) -> Operation[list[RunSummary]]:
    """List runs, newest first.

    Raises:
        InvalidRequest: An unknown status, a limit outside 1..1000, a `since` without time zone, a thread or profile
            that is no text.
    """
    index = _index(keys, status, thread_id, profile)
    since_ms = _since_ms(since)
    if not 1 <= limit <= 1000:
        raise misasked(Problem("limit", "1 to 1000"))
    start = 0
    if after is not None:
        rank = yield lambda client: client.zrevrank(index, checked(after))
        if rank is None:
            raise RunNotFound(after)
        start = rank + 1
    found: list[RunSummary] = []
    while len(found) < limit:
        first = start
        page: Sequence[str] = yield lambda client: client.zrevrange(index, first, first + limit - 1)  # noqa: B023 called before the next turn
        if not page:
            break
        rows = yield from rows_of(keys, page, *SUMMARY_FIELDS)
        shown = list(_summaries(page, rows))
        # Runs enqueued meanwhile push the index on: the last of a page can come again with the next.
        seen = {run.key for run in found}
        found += [run for run in shown if run.key not in seen and _wanted(run, status, since_ms)]
        start += len(page)
        if len(page) < limit or (shown and since_ms and shown[-1].created_at.timestamp() * 1000 < since_ms):
            break
    return found[:limit]


def _index(keys: Keys, status: str | None, thread_id: str | None, profile: str) -> str:
    known = {*RunStatus, *Outcome, "none"}
    if status is not None and status not in known:
        raise misasked(Problem("status", f"one of {', '.join(sorted(known))}"))
    checked_texts(thread_id=thread_id, profile=profile)
    if thread_id is not None:
        return keys.index_thread(profile, thread_id)
    return keys.index_runs() if status is None else keys.index_status(status)


def _since_ms(since: datetime | None) -> float | None:
    if since is None:
        return None
    if since.tzinfo is None:
        raise misasked(Problem("since", "give a time with its zone, such as datetime.now(UTC)"))
    return since.timestamp() * 1000


def _summaries(page: Sequence[str], rows: Sequence[Sequence[str | None] | None]) -> Iterator[RunSummary]:
    for run_key, row in zip(page, rows, strict=True):
        if row is not None and row[0] is not None:  # it has not expired
            with suppress(RecordDamaged), telling_damage(run_key):
                yield _summary(run_key, row)


def _summary(run_key: str, row: Sequence[str | None]) -> RunSummary:
    stage, status, outcome, profile, thread_id, run_id, created_ms, finished_ms = row
    return RunSummary(
        key=run_key,
        stage=_known(Stage, stage or Stage.DONE.value),
        status=_known(RunStatus, status) if status else None,
        outcome=_known(Outcome, outcome) if outcome else None,
        profile=profile or "",
        thread_id=thread_id or None,
        run_id=run_id or None,
        created_at=utc(created_ms or 0),
        finished_at=utc_or_none(finished_ms),
    )


def _known(names: type[E], text: str) -> E | str:
    """Type a stored name; one that a newer threadrun wrote stays text, so that it does not hide the others."""
    try:
        return names(text)
    except ValueError:
        return text


def _wanted(run: RunSummary, status: str | None, since_ms: float | None) -> bool:
    label = run.outcome or run.status or "none"
    return (status is None or label == status) and (
        since_ms is None or run.created_at.timestamp() * 1000 >= since_ms
    )
