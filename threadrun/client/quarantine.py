"""Read what waits for a person, and do what the person decided: give a call's output, or release a call or a run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from threadrun.client.operation import Operation
from threadrun.client.reading import checked
from threadrun.errors import InvalidRequest, NotInQuarantine, Problem, RecordDamaged, RunNotFound
from threadrun.keys import Keys
from threadrun.records import telling_damage, utc, utc_or_none
from threadrun.scripts import script_text
from threadrun.tools import ToolResultKind
from threadrun.tools.output import DEFAULT_MAX_OUTPUT_BYTES

_RUN_FIELDS = ("stage", "profile", "deadline_ms", "tools_until_ms", "strikes", "quarantined_ms")
_GONE = [None] * len(_RUN_FIELDS)
_CALL_FIELDS = ("tool", "state", "quarantined_ms", "deaths", "attempts")


@dataclass(frozen=True, slots=True)
class Place:
    """Name a run, or one of its calls, in one word: `run key`, or `run key/round/index`."""

    run_key: str
    round: int = 0
    """From 1; 0: the run itself."""
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read the word.

        Raises:
            InvalidRequest: It names neither.
        """
        run_key, *call = text.split("/") if isinstance(text, str) else [text]
        checked(run_key)
        if not call:
            return cls(run_key)
        numbers = all(part.isascii() and part.isdigit() and len(part) < 9 for part in call)
        if len(call) == 2 and numbers and int(call[0]) > 0:
            return cls(run_key, int(call[0]), int(call[1]))
        form = "give a run key, or run key/round/index for a call; rounds count from 1, calls from 0"
        raise InvalidRequest([Problem("place", form)])

    @property
    def is_call(self) -> bool:
        """Tell whether it names a call."""
        return self.round > 0

    def __str__(self) -> str:
        return f"{self.run_key}/{self.round}/{self.index}" if self.is_call else self.run_key


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Show a run or a call that waits for a person."""

    place: str
    """What `resolve` and `release` take: the run key, or `run key/round/index`."""
    since: datetime
    run_key: str
    stage: str
    """Where its run is."""
    profile: str
    tool: str
    """The call's tool; empty for a run."""
    state: str
    """`quarantined`: workers died with it. `unreadable`: no worker can read the run's record; mend it, then release it.
    `parked`: nobody knows how the call ended. `told`: workers died with the call, and the model was told that its
    outcome is unknown; nothing is left to decide."""
    deaths: int
    """How many workers or handlers' processes died with it."""
    attempts: int
    """How often the call's handler was entered; 0 for a run."""
    until: datetime | None
    """When it is decided without a person: the run ends, or the model is told that the outcome is unknown."""


def quarantined(keys: Keys, limit: int) -> Operation[tuple[Quarantined, ...]]:
    """List what waits for a person, the longest first.

    Raises:
        InvalidRequest: A limit outside 1..1000.
    """
    if not 1 <= limit <= 1000:
        raise InvalidRequest([Problem("limit", "1 to 1000")])
    scored = yield lambda client: client.zrange(keys.quarantine(), 0, limit - 1, withscores=True)
    places = [(Place.parse(word), since) for word, since in scored]
    rows = yield lambda client: _rows(client, keys, [place for place, _ in places])
    shown = zip(places, rows[::2], rows[1::2], strict=True)
    return tuple(_listed(place, since, run, call) for (place, since), run, call in shown if run != _GONE)


def _listed(place: Place, since: float, run: Sequence[str | None], call: Sequence[str | None]) -> Quarantined:
    if not _is_unreadable(place, run):
        with suppress(RecordDamaged), telling_damage(place.run_key):
            return _shown(place, since, run, call)
    return _unreadable(place, since, run)


def _rows(client: Any, keys: Keys, places: Sequence[Place]) -> Any:
    pipe = client.pipeline(transaction=False)
    for place in places:
        pipe.hmget(keys.run(place.run_key), _RUN_FIELDS)
        pipe.hmget(
            keys.calls(place.run_key), [f"{place.round}:{place.index}:{name}" for name in _CALL_FIELDS]
        )
    return pipe.execute(raise_on_error=False)


def _is_unreadable(place: Place, run: Sequence[str | None]) -> bool:
    return isinstance(run, Exception) or (not place.is_call and not run[_RUN_FIELDS.index("quarantined_ms")])


def _unreadable(place: Place, since: float, run: Sequence[str | None]) -> Quarantined:
    stage, profile = ("", "") if isinstance(run, Exception) else run[:2]
    at, key = utc(int(since)), place.run_key
    return Quarantined(str(place), at, key, stage or "", profile or "", "", "unreadable", 0, 0, None)


def _shown(place: Place, since: float, run: Sequence[str | None], call: Sequence[str | None]) -> Quarantined:
    stage, profile, deadline_ms, tools_until_ms, strikes, _ = run
    tool, state, quarantined_ms, deaths, attempts = call
    waits = not place.is_call or state == "unknown"
    word = "quarantined" if not place.is_call or quarantined_ms not in {None, "", "0"} else "parked"
    return Quarantined(
        place=str(place),
        since=utc(int(since)),
        run_key=place.run_key,
        stage=stage or "",
        profile=profile or "",
        tool=tool or "" if place.is_call else "",
        state=word if waits else "told",
        # A run's first death made it a suspect; each strike was one more.
        deaths=int(deaths or 0) if place.is_call else int(strikes or 0) + 1,
        attempts=int(attempts or 0) if place.is_call else 0,
        until=utc_or_none(tools_until_ms if place.is_call else deadline_ms) if waits else None,
    )


def resolve(keys: Keys, place: str, output: str, clock_key: str | None = None) -> Operation[None]:
    """Settle a parked or quarantined call with the output that a person gives.

    Raises:
        InvalidRequest: The place names no call, or the output is too long or no text.
        RunNotFound: No record stands under this key.
        NotInQuarantine: The call waits for nobody (any more).
    """
    at = Place.parse(place)
    problems = _output_problems(output)
    if not at.is_call:
        problems.append(Problem("place", "only a call is resolved; cancel a run to end it, or release it"))
    if problems:
        raise InvalidRequest(problems)
    event = _event("tool.settled", at, kind=ToolResultKind.RESOLVED.value)
    args = [output, ToolResultKind.RESOLVED.value, event]
    yield from _decide(keys, at, "call_resolve", args, clock_key)


def _output_problems(output: object) -> list[Problem]:
    if not isinstance(output, str):
        return [Problem("output", "give a text")]
    try:
        size = len(output.encode())
    except UnicodeEncodeError:
        return [Problem("output", "give a text that is Unicode; it holds lone surrogates")]
    limit = DEFAULT_MAX_OUTPUT_BYTES
    return [] if size <= limit else [Problem("output", f"{size} bytes; at most {limit} are taken")]


def release(keys: Keys, place: str, clock_key: str | None = None) -> Operation[None]:
    """Have a parked or quarantined call run again, or a quarantined run carried on.

    Raises:
        InvalidRequest: The place names neither a run nor a call.
        RunNotFound: No record stands under this key.
        NotInQuarantine: It waits for nobody (any more).
    """
    at = Place.parse(place)
    if at.is_call:
        yield from _decide(keys, at, "call_release", [_event("tool.released", at)], clock_key)
    else:
        yield from _decide(keys, at, "run_release", [_event("run.released", at)], clock_key)


def _decide(
    keys: Keys, at: Place, script: str, args: Sequence[str], clock_key: str | None
) -> Operation[None]:
    text = script_text(script, clock_key=clock_key, prefix=keys.prefix)
    record, stream, list_key = keys.run(at.run_key), keys.stream(), keys.quarantine()
    names = [record, keys.calls(at.run_key), stream, list_key] if at.is_call else [record, stream, list_key]
    where = [keys.prefix, at.run_key, *((at.round, at.index) if at.is_call else ())]
    operation = uuid.uuid4().hex  # so that a repeat, after an answer that was lost, gets the first answer
    verdict: str = yield lambda client: client.register_script(text)(
        keys=names, args=[*where, operation, *args]
    )
    if verdict == "missing" and not at.is_call:
        raise RunNotFound(at.run_key)
    if verdict not in {"resolved", "released"}:
        raise NotInQuarantine(str(at), verdict)


def _event(type_: str, at: Place, **data: object) -> str:
    place = {"round": at.round, "index": at.index} if at.is_call else {}
    return json.dumps({"type": type_, **place, **data}, separators=(",", ":"))
