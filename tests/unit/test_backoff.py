"""How long to wait, between polls and after errors."""

from __future__ import annotations

from worker.backoff import Fixed, Gentle, error_delay_ms, spread


def test_the_interval_is_a_share_of_the_age_between_first_and_cap():
    gentle = Gentle(first_ms=250, share=0.1, cap_ms=5_000, jitter=0)

    assert [gentle.delay_ms(age, "s") for age in (0, 2_500, 10_000, 50_000, 10**9)] == [
        250,
        250,
        1_000,
        5_000,
        5_000,
    ]


def test_the_first_look_waits_until_a_spell_may_be_over_and_those_after_it_are_closer():
    gentle = Gentle(first_ms=1_200, shortest_ms=700, share=0.1, cap_ms=5_000, jitter=0)

    assert [gentle.delay_ms(age, "s") for age in (0, 300, 1_000, 1_200, 7_000, 9_000)] == [
        1_200,
        900,  # it was looked at early, for another reason
        700,
        700,
        700,
        900,
    ]


def test_no_wait_is_longer_than_the_first_where_that_is_short():
    assert Gentle(first_ms=250, shortest_ms=700, jitter=0).delay_ms(250, "s") == 250


def test_a_fixed_interval_does_not_grow():
    assert {Fixed(700, jitter=0).delay_ms(age, "s") for age in (0, 10**6)} == {700}


def test_errors_double_the_wait_up_to_half_a_minute():
    delays = [error_delay_ms(errors, None, "k") for errors in range(1, 12)]

    assert all(500 * 2**n * 0.8 <= delays[n] <= 500 * 2**n * 1.2 for n in range(6))
    assert all(24_000 <= delay <= 36_000 for delay in delays[6:])


def test_a_wait_is_never_shorter_than_the_provider_asked_for():
    assert error_delay_ms(1, 12.5, "k") == 12_500
    assert error_delay_ms(10**6, 0.001, "k") >= 24_000


def test_looks_are_spread_alike_for_the_same_seed_and_apart_for_others():
    factors = {spread(f"run{n}:{n}", 0.1) for n in range(200)}

    assert spread("run:1", 0.1) == spread("run:1", 0.1)
    assert len(factors) == 200
    assert 0.9 <= min(factors) < 0.92
    assert 1.08 < max(factors) <= 1.1


def test_no_wait_is_ever_nothing():
    assert Gentle(first_ms=1, jitter=0.99).delay_ms(0, "a") >= 1
    assert Fixed(1, jitter=0.99).delay_ms(0, "b") >= 1
