"""`threadrun wait`: wait until runs are final and tell how each ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.text import Text

from threadrun.cli.content import content_lines
from threadrun.cli.documents import Document, content_document, usage_document
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Content, Keys, Timeout
from threadrun.cli.screen import iso, plain, seconds, table
from threadrun.cli.states import styled
from threadrun.cli.waiting_words import troubles
from threadrun.errors import RunNotFound, ThreadrunError, WaitTimeout
from threadrun.records import RunRecord
from threadrun.status import Outcome

PATIENCE_SECONDS = 3.0
"""How long a wait goes on without a word."""

_WORST_FIRST = (ExitCode.NOT_FOUND, ExitCode.TIMEOUT, ExitCode.BAD)


@dataclass(frozen=True, slots=True)
class Waited:
    """Say how the wait for one run ended."""

    key: str
    record: RunRecord | None
    """The final record; none: it is not there, or was not final in time."""
    code: ExitCode


def wait(at: Invocation, keys: Keys, timeout: Timeout = None, content: Content = False) -> ExitCode:
    """Wait until all runs are final; exits with 0 only if every one of them completed."""
    return tell_waited(at, list(wait_for(at, keys, timeout)), content=content)


def wait_for(at: Invocation, keys: Sequence[str], timeout_seconds: float | None) -> Iterator[Waited]:
    """Wait for each run; the time is meant for all of them together. Failures are told at once."""
    until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    for key in dict.fromkeys(keys):
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            record = _final_record(at, key, left)
        except (RunNotFound, WaitTimeout) as error:
            yield Waited(key, None, _told(at, error, timeout_seconds))
        else:
            good = record.outcome is Outcome.COMPLETED
            yield Waited(key, record, ExitCode.OK if good else ExitCode.BAD)


def _final_record(at: Invocation, key: str, left_seconds: float | None) -> RunRecord:
    """Wait for one run; who waits for a while is told once what keeps it from going on."""
    # Beside the wait, not in its midst: the wait rides out a Redis that is away.
    over = threading.Event()
    telling = threading.Thread(target=_tell_troubles, args=(at, key, over), daemon=True)
    telling.start()
    try:
        return at.client.wait(key, left_seconds)
    finally:
        over.set()
        telling.join()


def _tell_troubles(at: Invocation, key: str, over: threading.Event) -> None:
    while not over.wait(PATIENCE_SECONDS):
        with suppress(ThreadrunError):  # Redis is away; later
            lines = list(troubles(at.client.waits_for(key)))
            for line in lines if not over.is_set() else ():
                at.screen.note(f"run {plain(key)}: {line}.")
            return


def _told(at: Invocation, error: ThreadrunError, timeout_seconds: float | None) -> ExitCode:
    if not isinstance(error, WaitTimeout):
        return at.fail(error)
    text = (
        f"run {error.run_key} is still in stage {error.stage} after {timeout_seconds:g} s and goes on; "
        f"see `threadrun show {error.run_key}`."
    )
    return at.complain(ExitCode.TIMEOUT, text)


def tell_waited(at: Invocation, waited: Sequence[Waited], *, content: bool) -> ExitCode:
    """Write how the runs ended; gives the exit code that says the worst of it."""
    if at.json:
        at.screen.document({"runs": [waited_document(one, content=content) for one in waited]})
    else:
        _write(at, [one.record for one in waited if one.record is not None], content=content)
        bad = [one.key for one in waited if one.code is ExitCode.BAD]
        if bad:
            at.screen.note(f"Not completed: see `threadrun show {bad[0]}`.")
    codes = {one.code for one in waited}
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.OK)


def waited_document(waited: Waited, *, content: bool) -> Document:
    """Spell how a wait ended."""
    record = waited.record
    if record is None:
        return {"key": waited.key, "final": False, "found": waited.code is not ExitCode.NOT_FOUND}
    return {
        "key": record.key,
        "final": True,
        "found": True,
        "outcome": record.outcome,
        "status": record.status,
        "thread_id": record.thread_id,
        "run_id": record.run_id,
        "elapsed_seconds": _took(record),
        "finished_at": iso(record.finished_at),
        "usage": usage_document(record),
        **({"content": content_document(record)} if content else {}),
    }


def _took(record: RunRecord) -> float:
    return round(((record.finished_at or record.created_at) - record.created_at).total_seconds(), 3)


def _write(at: Invocation, records: Sequence[RunRecord], *, content: bool) -> None:
    if not records:
        return
    shown = table("KEY", "OUTCOME", "TOOK s", "TOKENS", right=("TOOK s", "TOKENS"))
    for record in records:
        outcome = styled(record.outcome) if record.outcome else ""
        tokens = str(record.usage.total_tokens) if record.usage else "-"
        shown.add_row(Text(plain(record.key)), outcome, seconds(_took(record)), tokens)
    at.screen.out.print(shown)
    if content:
        for record in records:
            for line in content_lines(record):
                at.screen.text(line)
