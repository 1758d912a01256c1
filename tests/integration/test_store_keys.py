"""What a run leaves in Redis: only keys that are documented, each with the type and the life it is said to have."""

from __future__ import annotations

import re

import pytest

from tests.integration.carrying import claim_one, claimant, claimed, doubted, kill_workers, noted, whole_life
from tests.integration.test_store_clock import set_right
from tests.integration.test_store_repeats import eventful_life
from tests.integration.test_store_tick import beat, due
from threadrun.keys import KEY_DOCS, Keys
from threadrun.status import Stage
from worker.store.gates import Verdict

LASTING = {"index:runs", "index:status:{status}", "stream", "profiles", "tools", "tools:seen", "workers"}
"""Bounded by trimming or a cap instead of a TTL, as their `life` says."""


def pattern(doc):
    parts = re.split(r"(\{\w+\})", doc.pattern)
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)


def doc_of(name):
    found = [doc for doc in KEY_DOCS if re.fullmatch(pattern(doc), name)]
    assert found, f"{name} is not documented"
    # The longest pattern is the closest: run:{run_key} would take in nothing else.
    return max(found, key=lambda doc: len(doc.pattern))


async def full_life(backend, client, store, **options):
    beat(backend, "runs@a:1", tools={"add": {}}, profiles=["default"])
    key = await whole_life(client, store, backend.now_ms(), **options)
    client.enqueue("asst", messages="hi")
    await kill_workers(backend, store, Stage.CREATE, 4)
    await claimed(store, Stage.CREATE, by=claimant())
    client.enqueue("asst", thread_id="thread_new", idempotency_key="open-1")
    client.enqueue("asst", thread_id="thread_new", idempotency_key="open-2")
    await doubted(store, delay_ms=0)
    set_right(backend)
    due(backend, ("create", "default"))
    await noted(store, Verdict.FAILED)
    return key


async def test_every_key_is_documented_with_its_type(backend, client, store):
    await full_life(backend, client, store)

    left = backend.left()
    seen = set()
    for name, kind in left.items():
        doc = doc_of(name)
        assert doc.type == {"zset": "sorted set"}.get(kind, kind), name
        seen.add(doc.pattern)
    documented = {doc.pattern for doc in KEY_DOCS if not doc.pattern.startswith("mq:")}
    assert seen == documented


async def test_every_key_of_a_finished_run_expires_or_is_said_to_be_kept_short(backend, client, store):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7")

    for name in backend.left():
        doc = doc_of(name)
        if doc.pattern in LASTING:
            assert "trimmed" in doc.life or "capped" in doc.life
        else:
            assert backend.sync.ttl(backend.prefix + name) > 0, name
    assert {name for name in backend.left() if name.startswith("run:")} == {
        "run:order-7", "run:order-7/calls", "run:order-7/events",
    }  # fmt: skip


async def test_an_untold_run_leaves_the_same_keys_once_it_is_told(backend, client, store):
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-7")
    before = set(backend.left())
    await whole_life(client, store, backend.now_ms(), idempotency_key="order-8", on_done="shop.done")
    await store.told(await claim_one(store, Stage.FINALIZE))

    assert {name.replace("order-8", "order-7") for name in backend.left()} == before


async def test_the_stream_names_run_and_number_of_every_event(backend):
    await eventful_life(backend)

    entries = [
        (fields["run"], int(fields["seq"])) for _, fields in backend.sync.xrange(backend.keys.stream())
    ]
    for key in ("a", "b", "c", "d", "e"):
        last = backend.sync.llen(backend.keys.events(key))
        assert [seq for run, seq in entries if run == key] == list(range(1, last + 1))
    assert {run for run, _ in entries} == {"a", "b", "c", "d", "e"}


@pytest.mark.parametrize("doc", KEY_DOCS, ids=lambda doc: doc.pattern)
def test_every_documented_key_says_who_writes_and_reads_it_and_when_it_goes(doc):
    assert all((doc.type, doc.life, doc.writer, doc.reader, doc.holds))


def test_nothing_is_written_outside_the_prefix(backend, client):
    client.enqueue("asst", thread_id="thread_1")
    names = set(backend.sync.scan_iter("*")) - {backend.clock_key}
    assert all(name.startswith(backend.prefix) for name in names)
    assert Keys().prefix == "threadrun:"
