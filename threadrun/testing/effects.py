"""The effect log: what every request did, for tests that must prove that something happened once.

    thread.created    message.created   run.created        run.read         steps.listed
    thread.read       message.read      run.modified       runs.listed      step.read
    thread.modified   message.modified  outputs.accepted   messages.listed  assistant.created
    thread.deleted    run.cancelled     assistants.listed  assistant.read   refused
    cancel.ignored    prevented

`run.cancelled` is an accepted cancel, `cancel.ignored` one that was answered with 200 and changed nothing;
`refused` carries the reason in `code`; `prevented` is a request that met a fault before its effect. An effect
whose answer was lost or spoiled stands here like any other, with its `fault`. No key and no text of a user is
ever in the log.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from threadrun.testing.objects import JsonObject


@dataclass(frozen=True, slots=True)
class Effect:
    """Tell what one request did."""

    number: int
    """Counts all requests from 1, without a gap."""
    time: float
    """The server's clock, unix seconds."""
    method: str
    """The HTTP method."""
    path: str
    """The path, without the query."""
    status: int
    """The HTTP status that was answered; 0: none was."""
    effect: str
    """One of the names above."""
    code: str | None = None
    """Why it was refused, in one word, such as `busy_thread`."""
    thread_id: str | None = None
    """The thread that was made, used or asked for."""
    run_id: str | None = None
    """The run that was made, used or asked for."""
    run_status: str | None = None
    """The run's status as it was answered."""
    threadrun_key: str | None = None
    """The run's metadata `threadrun_key`, or the thread's where there is no run; of a prevented request, what it
    would have brought."""
    client_request_id: str | None = None
    """The request's header `x-client-request-id`."""
    fault: str | None = None
    """The fault that it met, such as `connection_closed`."""

    def to_json(self) -> JsonObject:
        """Give it as a JSON object."""
        return asdict(self)


class EffectLog:
    """Keep the effects in order, in memory and, if asked, in a file that others can follow."""

    def __init__(self, path: Path | None = None) -> None:
        self._effects: deque[Effect] = deque()
        self._last = 0
        self._path = path
        self._file: IO[str] | None = None

    @property
    def last(self) -> int:
        """Give the number of the last request."""
        return self._last

    def next_number(self) -> int:
        """Count one more request."""
        self._last += 1
        return self._last

    def append(self, effect: Effect) -> None:
        """Keep an effect; it is in the file before the request is answered."""
        self._effects.append(effect)
        if self._path is not None:
            if self._file is None:
                self._file = self._path.open("a", buffering=1, encoding="utf-8")
            self._file.write(json.dumps(effect.to_json()) + "\n")

    def after(self, number: int, limit: int | None = None) -> list[Effect]:
        """Give the effects after this number, oldest first."""
        first = self._effects[0].number if self._effects else 1
        start = max(0, number - first + 1)
        return list(islice(self._effects, start, None if limit is None else start + limit))

    def forget_before(self, time: float) -> None:
        """Forget effects that are older."""
        while self._effects and self._effects[0].time < time:
            self._effects.popleft()

    def close(self) -> None:
        """Close the file; a later effect opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
