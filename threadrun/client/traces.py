"""Find every place under the prefix that names certain runs or a thread; what a purge removes, and its proof.

Names of keys are compared as documented in `threadrun.keys`, values by their members, fields and elements. What the
users and models of other runs wrote is not searched: it is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

from threadrun.client.operation import Operation
from threadrun.client.queued import named_in_message
from threadrun.keys import KEY_DOCS, KeyDoc, Keys

PAGE = 500
"""How many keys are read at a time."""

RECORD, EVENTS = "run:{run_key}", "run:{run_key}/events"

NAMELESS = frozenset(
    {
        "run:{run_key}/calls",
        "run:{run_key}/twins",
        "wake:{stage}:{profile}",
        "permits:{profile}",
        "profiles",
        "tools",
        "tools:seen",
        "workers",
        "worker:{worker_id}",
        "redis",
        "usage:{day}",
    }
)
"""Kinds of keys whose values never name a run, or hold other runs' content; only their names are compared."""

PLACES = frozenset({"hands:{worker_id}", "quarantine"})
"""Kinds of keys whose members are run keys, or calls as `run key/round/index`."""

_REPLAYED = re.compile(r'"replay_of":"([^"]+)"')
"""How an event names the run that was replayed; it is not parsed, for it may be damaged."""

_GROUPS = {"run_key": r"[A-Za-z0-9._:-]+", "profile": r"[a-z0-9_-]+", "thread_id": r"[^:/]+"}


@dataclass(frozen=True, slots=True)
class Sought:
    """Say what is looked for."""

    run_keys: frozenset[str]
    thread: tuple[str, str] | None = None
    """Profile and id of a thread all of whose traces are looked for."""

    @property
    def mailbox(self) -> tuple[str, str] | None:
        """Spell the thread as it stands in the names of keys."""
        return (self.thread[0], quote(self.thread[1], safe="")) if self.thread else None


@dataclass(frozen=True, slots=True)
class Trace:
    """Point at one place; it repeats nothing that users or models wrote, unless `element` does."""

    key: str
    """The Redis key."""
    pattern: str
    """Its kind, as `KEY_DOCS` spells it."""
    run_key: str | None
    """The run that is named; none: the thread."""
    in_name: bool = False
    """The key's own name says it."""
    element: str = field(default="", repr=False)
    """The member, element, field or entry id."""
    type: str = ""
    """Redis type of the key."""


@dataclass(slots=True)
class Search:
    """Collect what a walk over the keyspace found, and count what it looked at."""

    traces: list[Trace] = field(default_factory=list)
    keys: int = 0
    """Keys whose names were compared."""
    entries: int = 0
    """Members, fields and elements that were compared."""


def search(keys: Keys, sought: Sought) -> Operation[Search]:
    """Walk over all keys of the deployment."""
    found = Search()
    pattern = re.sub(r"([*?\[\]\\])", r"\\\1", keys.prefix) + "*"
    cursor, seen = 0, set[str]()
    while True:
        at = cursor
        cursor, page = yield lambda client: client.scan(at, match=pattern, count=PAGE)  # noqa: B023 called before the next turn
        names = [name for name in dict.fromkeys(page) if name not in seen]  # SCAN may show a key twice
        seen.update(names)
        yield from _look(names, keys, sought, found)
        if cursor == 0:
            return found


def _look(names: Sequence[str], keys: Keys, sought: Sought, found: Search) -> Operation[None]:
    if not names:
        return
    docs = [doc_of(name.removeprefix(keys.prefix)) for name in names]
    types = yield lambda client: _types(client, names)
    values = yield lambda client: _values(client, list(zip(names, docs, types, strict=True)))
    found.keys += len(names)
    for name, (doc, groups), kind, value in zip(names, docs, types, values, strict=True):
        if trace := _in_name(name, doc, groups, sought):
            found.traces.append(trace)
        for element, run_key in _named(doc, kind, value, sought, found):
            found.traces.append(Trace(name, doc.pattern, run_key, element=element, type=kind))


def _types(client: Any, names: Sequence[str]) -> Any:
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.type(name)
    return pipe.execute()


def _values(client: Any, looked_at: Sequence[tuple[str, tuple[KeyDoc, Any], str]]) -> Any:
    pipe = client.pipeline(transaction=False)
    for name, (doc, _), kind in looked_at:
        match "" if doc.pattern in NAMELESS else kind:
            case "hash" if doc.pattern == RECORD:
                pipe.hmget(name, "profile", "thread_id")
            case "hash":
                pipe.hgetall(name)
            case "zset":
                pipe.zrange(name, 0, -1)
            case "list":
                pipe.lrange(name, 0, -1)
            case "set":
                pipe.smembers(name)
            case "stream":
                pipe.xrange(name)
            case "string":
                pipe.get(name)
            case _:
                pipe.exists(name)
    # A key that went, or came back with another type, between the two looks is no failure of the search.
    return pipe.execute(raise_on_error=False)


def _in_name(name: str, doc: KeyDoc, groups: Mapping[str, str], sought: Sought) -> Trace | None:
    run_key = groups.get("run_key")
    if run_key is not None and run_key in sought.run_keys:
        return Trace(name, doc.pattern, run_key, in_name=True)
    thread = groups.get("thread_id")
    if thread is not None and (groups.get("profile"), thread) == sought.mailbox:
        return Trace(name, doc.pattern, None, in_name=True)
    return None


def _named(
    doc: KeyDoc, kind: str, value: Any, sought: Sought, found: Search
) -> Iterator[tuple[str, str | None]]:
    if doc.pattern in NAMELESS or isinstance(value, Exception) or not value:
        return
    if doc.pattern == RECORD:
        found.entries += 1
        if sought.thread is not None and tuple(value) == sought.thread:
            yield "", None
        return
    for element, texts in _elements(kind, value):
        found.entries += 1
        for text in texts:
            for run_key in _runs_in(doc, text):
                if run_key in sought.run_keys:
                    yield element, run_key


def _elements(kind: str, value: Any) -> Iterator[tuple[str, Sequence[str]]]:
    match kind:
        case "hash":
            yield from ((name, (name, text)) for name, text in value.items())
        case "stream":
            yield from ((entry, tuple(fields.values())) for entry, fields in value)
        case "string":
            yield value, (value,)
        case _:
            yield from ((text, (text,)) for text in value)


def _runs_in(doc: KeyDoc, text: str) -> Iterator[str]:
    if doc.pattern.startswith("mq:"):
        yield from named_in_message(text)
    elif doc.pattern == EVENTS:
        yield from _REPLAYED.findall(text)
    elif doc.pattern in PLACES:
        yield text.partition("/")[0]
    else:
        yield text.partition("/")[0]  # a call is spelt `run key/round/index`


def doc_of(name: str) -> tuple[KeyDoc, dict[str, str]]:
    """Find how a key (without prefix) is documented, and the variable parts of its name."""
    best: tuple[KeyDoc, dict[str, str]] = (_UNKNOWN, {})
    for doc in KEY_DOCS:
        matched = _regex(doc.pattern).fullmatch(name)
        if matched and len(doc.pattern) > len(best[0].pattern):  # the longest is the closest
            best = (doc, matched.groupdict())
    return best


_UNKNOWN = KeyDoc("", "", "", "", "", "")


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    spelt = [
        f"(?P<{part}>{_GROUPS.get(part, '.+')})" if at % 2 else re.escape(part).replace("…", ".*")
        for at, part in enumerate(parts)
    ]
    return re.compile("".join(spelt), re.DOTALL)
