"""The gates of a profile in Redis: rates, pauses and probes, decided by Redis's clock for all workers at once."""

from __future__ import annotations

import pytest

from tests.integration.carrying import claim_one, noted, permitted
from threadrun.status import Stage
from worker.store.gates import LIFE_SECONDS, LONGEST_WAIT_MS, Kind, Rate, Verdict

GET, POST = Kind.GET, Kind.POST
ANSWERED, LIMITED, FAILED = Verdict.ANSWERED, Verdict.LIMITED, Verdict.FAILED
PROBE_MS = 15_000


async def granted(store, kind=GET, **options):
    return (await permitted(store, kind, **options)).granted


# Rates.


async def test_after_a_lull_a_burst_goes_at_once_and_then_the_rate_holds(backend, store):
    rate = Rate(per_second=10, burst=3)
    assert [await granted(store, rate=rate) for _ in range(4)] == [True, True, True, False]

    sent = 0
    for _ in range(200):
        backend.turn(0.05)
        sent += await granted(store, rate=rate)
    assert sent == 100

    backend.turn(60)
    assert [await granted(store, rate=rate) for _ in range(4)] == [True, True, True, False]


async def test_who_waits_gets_a_place_of_its_own_each_one_later_than_the_last(backend, store):
    rate = Rate(per_second=10, burst=1)
    permits = [await permitted(store, rate=rate, patience_ms=250) for _ in range(4)]

    assert [(permit.granted, permit.wait_ms) for permit in permits[:3]] == [
        (True, 0),
        (True, 100),
        (True, 200),
    ]
    assert not permits[3].granted


async def test_who_is_sent_away_is_sent_away_for_longer_than_the_one_before_up_to_a_bound(backend, store):
    rate = Rate(per_second=0.1, burst=1)
    await permitted(store, rate=rate)
    waits = [(await permitted(store, rate=rate)).wait_ms for _ in range(7)]

    assert waits == [20_000, 30_000, 40_000, 50_000, 60_000, LONGEST_WAIT_MS, LONGEST_WAIT_MS]
    backend.turn(10)
    assert await granted(store, rate=rate)


async def test_gets_and_posts_have_a_rate_each(store):
    rate = Rate(per_second=1, burst=1)
    assert [await granted(store, kind, rate=rate) for kind in (GET, POST, GET, POST)] == [
        True,
        True,
        False,
        False,
    ]


async def test_without_a_rate_every_request_goes(store):
    assert all([await granted(store) for _ in range(50)])


# Pauses.


async def test_a_refusal_pauses_its_kind_of_request_for_as_long_as_the_provider_asks(backend, store):
    assert await noted(store, LIMITED, GET, wish_ms=7_000) == [("GET", True, 7_000)]

    refused = await permitted(store, GET)
    assert (refused.granted, refused.wait_ms) == (False, 7_000)
    assert await granted(store, POST)
    backend.turn(7)
    assert await granted(store, GET)


async def test_refusals_without_a_hint_pause_for_longer_and_longer_until_one_is_answered(backend, store):
    async def refused_pause():
        ((_, _, pause_ms),) = await noted(store, LIMITED)
        backend.turn(pause_ms / 1000 + 0.1)
        return pause_ms

    assert [await refused_pause() for _ in range(7)] == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    assert await noted(store, ANSWERED) == [("GET", False, 0)]
    assert await refused_pause() == 1_000


async def test_many_requests_that_were_under_way_together_make_one_pause(backend, store):
    backend.turn(1)
    changes = [await noted(store, LIMITED, took_ms=500) for _ in range(20)]

    assert changes == [[("GET", True, 1_000)], *[[]] * 19]


async def test_a_good_answer_to_what_was_sent_before_a_pause_does_not_end_it(backend, store):
    await noted(store, LIMITED)
    backend.turn(2)
    assert await noted(store, ANSWERED, took_ms=3_000) == []
    assert await noted(store, ANSWERED, POST) == []
    assert await noted(store, ANSWERED, took_ms=500) == [("GET", False, 0)]


async def test_a_good_answer_in_the_middle_of_a_pause_does_not_end_it(backend, store):
    await noted(store, LIMITED, wish_ms=5_000)
    backend.turn(1)
    assert await noted(store, ANSWERED, took_ms=500) == []
    assert not await granted(store)


# The breaker.


async def broken(store):
    return [await noted(store, FAILED, kind, most_failures=3) for kind in (GET, POST, GET)]


async def test_failures_in_a_row_over_both_kinds_pause_both(store):
    assert await broken(store) == [[], [], [("both", True, 1_000)]]
    assert [await granted(store, kind) for kind in (GET, POST)] == [False, False]


@pytest.mark.parametrize("verdict", [ANSWERED, LIMITED])
async def test_an_answer_between_failures_begins_the_count_again(store, verdict):
    for outcome in (FAILED, FAILED, verdict, FAILED, FAILED):
        changes = await noted(store, outcome, most_failures=3)

    assert changes == []
    assert await noted(store, FAILED, most_failures=3) != []


async def test_a_failure_that_asks_for_a_pause_gets_it_at_once(store):
    assert await noted(store, FAILED, wish_ms=4_000, most_failures=99) == [("both", True, 4_000)]


async def test_after_the_pause_one_request_goes_alone_and_its_answer_lets_all_go(backend, store):
    await broken(store)
    backend.turn(1)

    assert [await granted(store, kind) for kind in (GET, POST, GET)] == [True, False, False]
    assert await noted(store, ANSWERED) == [("both", False, 0)]
    assert [await granted(store, kind) for kind in (GET, POST, GET)] == [True, True, True]


async def test_a_probe_that_fails_makes_the_next_pause_longer_up_to_half_a_minute(backend, store):
    await broken(store)
    pauses = []
    for _ in range(6):
        backend.turn(pauses[-1] / 1000 if pauses else 1)
        assert await granted(store)
        backend.turn(0.2)
        ((gate, paused, pause_ms),) = await noted(store, FAILED, took_ms=150, most_failures=3)
        assert (gate, paused) == ("both", True)
        assert not await granted(store)
        pauses.append(pause_ms)

    assert pauses == [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]


async def test_failures_of_what_was_sent_before_the_pause_change_nothing(backend, store):
    backend.turn(1)
    await broken(store)
    assert [await noted(store, FAILED, took_ms=100, most_failures=3) for _ in range(20)] == [[]] * 20


async def test_a_probe_whose_worker_has_died_is_followed_by_another(backend, store):
    await broken(store)
    backend.turn(1)
    assert await granted(store, probe_ms=PROBE_MS)
    backend.turn(PROBE_MS / 1000 - 0.001)
    assert not await granted(store)
    backend.turn(0.001)

    assert await granted(store)


async def test_a_probe_asked_for_twice_by_one_is_still_one(backend, store):
    await broken(store)
    backend.turn(1)
    assert [await granted(store, token="me") for _ in range(2)] == [True, True]
    assert not await granted(store, token="other")


async def test_a_request_that_the_rate_refuses_is_no_probe(backend, store):
    rate = Rate(per_second=0.1, burst=1)
    await permitted(store, rate=rate)
    await broken(store)
    backend.turn(1)

    assert not await granted(store, rate=rate)
    assert await granted(store, POST)


# What others learn.


async def test_every_claim_brings_along_what_any_worker_has_learnt(backend, client, store):
    client.enqueue("asst", messages="hi")
    other = backend.store()
    await noted(other, LIMITED, wish_ms=5_000)
    assert store.gates.known("default").wait_ms(GET, backend.now_ms()) == 0

    await claim_one(store, Stage.CREATE)
    known = store.gates.known("default")
    assert known.wait_ms(GET, backend.now_ms()) == 5_000
    assert known.wait_ms(POST, backend.now_ms()) == 0
    assert not known.calm(GET)
    assert known.calm(POST)


async def test_those_who_wait_for_a_probe_look_again_soon(backend, store):
    await broken(store)
    backend.turn(1)
    await permitted(store, probe_ms=PROBE_MS)

    assert store.gates.known("default").wait_ms(GET, backend.now_ms()) == 1_000


async def test_what_is_older_than_what_is_known_is_not_believed(backend, store):
    await noted(store, LIMITED, wish_ms=5_000)
    store.gates.hear("default", backend.now_ms() - 1, [None] * 8)

    assert store.gates.known("default").wait_ms(GET, backend.now_ms()) == 5_000


async def test_what_is_not_spoken_of_is_forgotten(backend, store):
    await permitted(store, rate=Rate(1))
    assert 0 < backend.sync.ttl(backend.keys.permits("default")) <= LIFE_SECONDS
    await noted(store, FAILED)
    assert 0 < backend.sync.ttl(backend.keys.permits("default")) <= LIFE_SECONDS


async def test_a_clock_that_is_set_back_closes_no_gate_for_longer_than_a_pause(backend, store):
    rate = Rate(per_second=1, burst=2)
    await permitted(store, rate=rate)
    await noted(store, LIMITED, wish_ms=60_000)
    await noted(store, FAILED, POST, wish_ms=60_000)
    backend.turn(-3_600)

    assert store.gates.known("default").wait_ms(GET, backend.now_ms()) == 0
    assert await granted(store, rate=rate)


async def test_a_provider_that_is_well_leaves_nothing_in_redis(backend, store):
    await permitted(store)
    assert "permits:default" not in backend.left()


async def test_a_failure_is_counted_once_though_others_were_noted_before_its_repeat_came(store):
    for token in ("a", "b", "a", "b", "a"):
        assert await noted(store, FAILED, token=token) == []

    assert store.gates.known("default").failures == 2
