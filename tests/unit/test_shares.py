"""A profile's share of threads and request slots: taken, given back, never lost."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack, suppress

from worker.shares import RequestSlots, ThreadShares


def test_one_profile_holds_no_more_than_half_the_threads():
    shares = ThreadShares(6)
    with ExitStack() as held:
        got = [held.enter_context(shares.hold("stuck")) for _ in range(5)]
        other = held.enter_context(shares.hold("other"))

    assert (got, other) == ([True, True, True, False, False], True)


def test_a_single_thread_can_still_be_held():
    with ThreadShares(1).hold("only") as free:
        assert free


def test_a_thread_that_was_not_free_is_not_given_back():
    shares = ThreadShares(4)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(shares.hold("p"))
        for _ in range(3):
            with shares.hold("p") as free:
                assert not free
        with shares.hold("p") as free:
            assert not free


def test_what_raises_gives_its_thread_back():
    shares = ThreadShares(2)
    for _ in range(3):
        with suppress(ZeroDivisionError), shares.hold("p") as free:
            assert free
            raise ZeroDivisionError


def test_many_threads_never_hold_more_than_the_share_together():
    shares, most, now, lock = ThreadShares(8), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal most, now
        for _ in range(200):
            with shares.hold("p") as free:
                with lock:
                    now += free
                    most = max(most, now)
                with lock:
                    now -= free

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most <= 4
    with shares.hold("p") as free:
        assert free


async def test_slots_are_given_as_far_as_they_are_free():
    slots = RequestSlots(5)

    assert [await slots.take(3, 0.01), await slots.take(3, 0.01), await slots.take(3, 0.01)] == [3, 2, 0]
    slots.give_back(4)
    assert await slots.take(100, 0.01) == 4


async def test_who_finds_none_waits_a_little_for_one():
    slots = RequestSlots(1)
    assert await slots.take(1, 0.01) == 1
    waiting = asyncio.create_task(slots.take(1, 5))
    await asyncio.sleep(0)
    slots.give_back(1)

    assert await waiting == 1


async def test_two_who_wait_do_not_take_the_same_slot():
    slots = RequestSlots(1)
    await slots.take(1, 0.01)
    waiting = [asyncio.create_task(slots.take(1, 0.05)) for _ in range(2)]
    await asyncio.sleep(0)
    slots.give_back(1)

    assert sorted(await asyncio.gather(*waiting)) == [0, 1]


async def test_who_is_woken_too_late_waits_for_the_next_that_is_given_back():
    slots = RequestSlots(3)
    await slots.take(3, 0.01)

    async def use_all() -> int:
        taken = await slots.take(100, 5)
        await asyncio.sleep(0)
        slots.give_back(taken)
        return taken

    users = [asyncio.create_task(use_all()) for _ in range(4)]
    await asyncio.sleep(0)
    slots.give_back(3)

    assert await asyncio.gather(*users) == [3, 3, 3, 3]
