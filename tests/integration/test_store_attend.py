"""A run that is attended has no lease: its entry is put off, as long as nobody else claims it and nothing happens."""

from __future__ import annotations

from tests.integration.carrying import claim_one, claimed, move, noted
from threadrun.status import Stage
from worker.store.gates import Kind, Verdict
from worker.store.runs import Claimant


async def at_rest(client, store, delay_ms=5_000):
    """Have one run in stage poll whose claim has ended."""
    client.enqueue("asst", messages="hi", idempotency_key="a")
    run = await claim_one(store, Stage.CREATE)
    await move(store, run, Stage.POLL)
    run = await claim_one(store, Stage.POLL)
    assert await store.rest(run, delay_ms)
    return run


async def test_it_becomes_due_later_without_a_version_an_event_or_a_lease(backend, client, store):
    run = await at_rest(client, store)
    before = backend.sync.hgetall(backend.keys.run("a"))

    assert await store.attend(run, 9_000, "1.1", polls=3, requests=4) == backend.now_ms()

    after = backend.sync.hgetall(backend.keys.run("a"))
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    assert changed == {"attend_op": "1.1", "polls": "3", "requests": "4"}
    assert backend.dump("agenda:") == {"agenda:poll:default": [("a", backend.now_ms() + 9_000)]}


async def test_whoever_finds_it_due_claims_it_and_then_it_is_attended_no_more(backend, client, store):
    run = await at_rest(client, store)
    backend.turn(5)
    assert [other.key for other in await claimed(store, Stage.POLL)] == ["a"]
    left = backend.dump()

    assert not await store.attend(run, 9_000, "1.1", polls=3)
    assert backend.dump() == left


async def test_what_happens_meanwhile_leaves_it_due_and_is_told(backend, client, store):
    run = await at_rest(client, store)
    client.cancel("a")

    assert not await store.attend(run, 9_000, "1.1", polls=3)
    assert client.get("a").polls == 3
    assert len(await claimed(store, Stage.POLL)) == 1


async def test_by_a_clock_that_has_jumped_it_is_not_put_off(backend, client, store):
    run = await at_rest(client, store)
    latest_ms = backend.now_ms() + 15_000
    agenda = backend.dump("agenda:")
    backend.turn(3_600)

    assert not await store.attend(run, 9_000, "1.1", Claimant(latest_ms=latest_ms), polls=3)
    assert backend.dump("agenda:") == agenda
    assert client.get("a").polls == 3


async def test_a_claim_whose_number_was_given_out_twice_is_attended_by_its_latest_holder(
    backend, client, store
):
    await at_rest(client, store)
    backend.turn(5)
    before = backend.sync.hgetall(backend.keys.run("a"))
    (lost,) = await claimed(store, Stage.POLL, by=Claimant("one"))
    backend.sync.hset(backend.keys.run("a"), mapping=before)  # Redis has lost its last second
    backend.turn(20)
    (run,) = await claimed(store, Stage.POLL, by=Claimant("other"))
    assert run.claim == lost.claim
    await store.rest(run, 5_000)

    assert not await store.attend(lost, 9_000, "1.1", Claimant("one"))
    assert await store.attend(run, 9_000, "1.1", Claimant("other"))


async def test_a_repeat_counts_nothing_twice(backend, client, store):
    run = await at_rest(client, store)
    for _ in range(2):
        assert await store.attend(run, 9_000, "1.1", polls=3)

    assert client.get("a").polls == 3


async def test_it_brings_along_what_is_known_of_the_profiles_gates(backend, client, store):
    run = await at_rest(client, store)
    await noted(backend.store(), Verdict.LIMITED, Kind.GET)
    assert not store.gates.known("default").get.pauses

    await store.attend(run, 9_000, "1.1")
    assert store.gates.known("default").get.pauses == 1


async def test_a_run_that_is_gone_is_not_put_back_into_the_agenda(backend, client, store):
    run = await at_rest(client, store)
    backend.sync.delete(backend.keys.run("a"), backend.keys.agenda(Stage.POLL, "default"))

    assert not await store.attend(run, 9_000, "1.1")
    assert backend.dump("agenda:") == {}
