"""Rests: a claim that changed nothing costs no version and no event."""

from __future__ import annotations

from tests.integration.carrying import LEASE_MS, claim_one, claimed, finish_from
from threadrun.status import Stage


async def test_a_rest_writes_no_version_and_no_event(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    before = backend.sync.hgetall(backend.keys.run(key))

    assert await store.rest(run, 700, polls=1, requests=1)

    after = backend.sync.hgetall(backend.keys.run(key))
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    assert changed == {"lease_ms": "0", "polls": "1", "requests": "1"}
    assert backend.dump("agenda:") == {"agenda:create:default": [(key, backend.now_ms() + 700)]}
    assert backend.sync.llen(backend.keys.events(key)) == 1


async def test_news_during_a_claim_cuts_the_rest_short(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    client.cancel(key)

    assert await store.rest(run, 60_000)
    assert [again.key for again in await claimed(store, Stage.CREATE)] == [key]


async def test_news_does_not_shorten_a_renewed_claim_but_is_still_news_at_its_end(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    client.cancel(key)

    assert await store.renew(run, LEASE_MS)
    assert await claimed(store, Stage.CREATE) == []
    assert await store.rest(run, 60_000)
    assert len(await claimed(store, Stage.CREATE)) == 1


async def test_a_renewed_claim_is_respected_by_whoever_brings_news(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    backend.turn(15)
    await store.renew(run, LEASE_MS)
    backend.turn(10)

    client.cancel(key)
    assert await claimed(store, Stage.CREATE) == []


async def test_polls_and_requests_are_counted_apart(client, store):
    key = client.enqueue("asst", messages="hi").key
    await store.rest(await claim_one(store, Stage.CREATE), 0, polls=1)
    await store.rest(await claim_one(store, Stage.CREATE), 0, requests=2)

    record = client.get(key)
    assert (record.polls, record.requests) == (1, 2)


async def test_a_repeated_rest_counts_its_requests_once(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)

    assert await store.rest(run, 700, polls=1, requests=2)
    assert await store.rest(run, 700, polls=1, requests=2)

    record = client.get(key)
    assert (record.polls, record.requests) == (1, 2)


async def test_a_repeated_rest_does_not_put_off_what_became_due_meanwhile(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    await store.rest(run, 60_000)
    client.cancel(key)

    await store.rest(run, 60_000)
    assert len(await claimed(store, Stage.CREATE)) == 1


async def test_a_rest_never_brings_back_a_run_that_left_the_agenda(backend, client, store):
    key = client.enqueue("asst", messages="hi").key
    run = await claim_one(store, Stage.CREATE)
    backend.sync.zrem(backend.keys.agenda(Stage.CREATE, "default"), key)

    await store.rest(run, 0)
    assert backend.dump("agenda:") == {}


async def test_a_finished_run_that_is_handed_back_untold_is_due_at_once(backend, client, store):
    key = client.enqueue("asst", messages="hi", on_done="shop.done").key
    await finish_from(store, Stage.CREATE)
    run = await claim_one(store, Stage.FINALIZE)
    assert run.stage is Stage.DONE

    assert await store.rest(run, 0)
    assert [again.key for again in await claimed(store, Stage.FINALIZE)] == [key]
