"""Read the evidence for an audit from Redis, a page of runs at a time, and have it judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from threadrun.audit import Audit, Breach, Evidence, Kept, KeptEvent, Tally, judge
from threadrun.audit.kept import kept_calls, named
from threadrun.audit.rules import damaged, missing
from threadrun.client.catalogue import read_catalogue
from threadrun.client.operation import Operation, Pause
from threadrun.client.reading import rows_of, told_apart
from threadrun.client.stats import OPEN_STAGES
from threadrun.errors import RecordDamaged
from threadrun.keys import Keys
from threadrun.records import SCHEMA, telling_damage
from threadrun.status import TERMINAL_STATUSES, Outcome, RunStatus, Stage

PAGE = 50
"""How many runs are read at one moment."""

SECOND_LOOK_SECONDS = 1.0
"""How long after the first look a breach is looked for again: only what stands twice is one."""

LABELS = tuple(dict.fromkeys(["none", *map(str, RunStatus), *map(str, Outcome)]))
"""The status indexes."""

_OPEN_LABELS = frozenset({"none", *RunStatus} - TERMINAL_STATUSES)
_FIELDS = ("schema", "stage", "status", "outcome", "run_id", "tells")
_GONE = [None] * len(_FIELDS)


def audit(keys: Keys, evidence: Evidence) -> Operation[Audit]:
    """Judge every run that is known from the indexes, the agendas or the evidence."""
    catalogue = yield from read_catalogue(keys)
    tools = {name for name, entry in catalogue.tools.items() if entry.get("idempotent")}
    evidence = replace(evidence, idempotent=evidence.idempotent | tools)
    known = yield from _known(keys, catalogue.profiles, evidence)
    tally = _tally(evidence)
    found = yield from _look(keys, known, evidence, tally)
    if found:
        # A run that is on its way is read in one moment, but a log is written before or after it.
        yield Pause(SECOND_LOOK_SECONDS)
        again = {breach.run_key: known[breach.run_key] for breach in found}
        seen = {breach.identity for breach in found}
        found = yield from _look(keys, again, evidence, Tally())
        found = [breach for breach in found if breach.identity in seen]
    return Audit(tuple(found), tally)


def _known(keys: Keys, profiles: Iterable[str], evidence: Evidence) -> Operation[dict[str, str]]:
    """Name every run, and how it is known where its record must be there; empty where it may have expired."""
    names = [
        keys.agenda(stage, profile) for profile in sorted({*profiles, "default"}) for stage in OPEN_STAGES
    ]
    labels = [keys.index_status(label) for label in LABELS]
    lists = yield lambda client: _lists(client, [keys.index_runs(), *labels, *names])
    found = dict.fromkeys((run_key for listed in lists for run_key in listed), "")
    for label, listed in zip(LABELS, lists[1:], strict=False):
        if label in _OPEN_LABELS:
            found |= dict.fromkeys(listed, f"it is listed as {label}")
    if evidence.handlers is not None:
        entered = (call.rsplit(":", 2)[0] for call in evidence.handlers.entered)
        found |= dict.fromkeys(entered, "a handler was entered for it")
    if evidence.server is not None:
        found |= dict.fromkeys(evidence.server.made, "the provider made a run for it")
    return found | dict.fromkeys(evidence.accepted, "its enqueue was accepted")


def _lists(client: Any, names: Sequence[str]) -> Any:
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.zrange(name, 0, -1)
    return pipe.execute()


def _look(keys: Keys, known: dict[str, str], evidence: Evidence, tally: Tally) -> Operation[list[Breach]]:
    found: list[Breach] = []
    run_keys = list(known)
    for start in range(0, len(run_keys), PAGE):
        page = run_keys[start : start + PAGE]
        homes = yield from rows_of(keys, page, "profile", "thread_id")
        answers = yield lambda client: _page(client, keys, page, homes)  # noqa: B023 called before the next turn
        for run_key, answer in zip(page, answers, strict=True):
            found += _judged(run_key, told_apart(answer), known[run_key], evidence, tally)
    return found


def _judged(
    run_key: str, answer: Sequence[Any], known_by: str, evidence: Evidence, tally: Tally
) -> Iterable[Breach]:
    if answer[0] == _GONE:
        return [missing(run_key, known_by)] if known_by else []
    tally.runs += 1
    try:
        with telling_damage(run_key):
            run = _kept(run_key, answer)
    except RecordDamaged as error:
        return [damaged(run_key, error.reason)]
    if run is None:
        tally.too_new += 1
        return []
    tally.finished += run.finished
    tally.events += len(run.events)
    tally.calls += len(run.calls)
    tally.unknown_outcomes += sum(call.is_unknown for call in run.calls)
    return judge(run, evidence)


def _page(
    client: Any, keys: Keys, page: Sequence[str], homes: Sequence[Sequence[str | None] | None]
) -> list[Any]:
    pipe = client.pipeline(transaction=True)
    for run_key, home in zip(page, homes, strict=True):
        profile, thread_id = home or (None, None)
        thread = keys.thread(profile, thread_id) if profile and thread_id else keys.nothing()
        pipe.hmget(keys.run(run_key), _FIELDS)
        pipe.lrange(keys.events(run_key), 0, -1)
        pipe.hgetall(keys.calls(run_key))
        pipe.get(f"{thread}:active")
        pipe.lpos(f"{thread}:waiting", run_key)
        pipe.zscore(keys.index_runs(), run_key)
        for stage in OPEN_STAGES:
            pipe.zscore(keys.agenda(stage, profile or "default"), run_key)
        for label in LABELS:
            pipe.zscore(keys.index_status(label), run_key)
    answers = pipe.execute(raise_on_error=False)
    width = len(answers) // len(page)
    return [answers[at : at + width] for at in range(0, len(answers), width)]


def _kept(run_key: str, answer: Sequence[Any]) -> Kept | None:
    """Type what was read; none: a newer threadrun wrote it."""
    row = dict(zip(_FIELDS, answer[0], strict=True))
    if int(row["schema"] or 0) > SCHEMA:
        return None
    _, events, calls, holder, place, listed, *scores = answer
    return Kept(
        key=run_key,
        stage=Stage(row["stage"] or ""),
        status=row["status"] or "",
        outcome=row["outcome"] or "",
        run_id=row["run_id"] or "",
        events=tuple(KeptEvent(event["seq"], event["type"]) for event in map(json.loads, events)),
        calls=kept_calls(calls),
        agendas=named([str(stage) for stage in OPEN_STAGES], scores[: len(OPEN_STAGES)]),
        labels=named(LABELS, scores[len(OPEN_STAGES) :]),
        in_index=listed is not None,
        holds_thread=holder == run_key,
        waits_for_thread=place is not None,
        tells=row["tells"] == "1",
    )


def _tally(evidence: Evidence) -> Tally:
    tally = Tally()
    if evidence.server is not None:
        tally.provider_runs = sum(map(len, evidence.server.made.values()))
        tally.provider_runs_cancelled = len(evidence.server.cancelled)
    if evidence.handlers is not None:
        tally.handler_entries = evidence.handlers.entered.total()
    return tally
