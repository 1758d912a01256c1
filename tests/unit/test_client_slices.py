"""Commands that are sent slice by slice, over connections that note what is done with them."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from threadrun.client.slices import exchange


class Wire:
    """Be pool and connection of a client; an answer is raised if it is an exception."""

    def __init__(self, answers):
        self.connection_pool = self
        self.retry = Retry(NoBackoff(), 1)
        self.answers = list(answers)
        self.done = []

    def get_connection(self):
        return self

    def pack_commands(self, commands):
        return [command.encode() for command in commands]

    def send_packed_command(self, commands, *, check_health):
        self.done.append(("send", *commands, check_health))

    def read_response(self):
        answer = self.answers.pop(0)
        self.done.append(answer)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def disconnect(self):
        self.done.append("disconnect")

    def release(self, _):
        self.done.append("release")


class AsyncWire(Wire, AsyncRedis):
    def __init__(self, answers):
        super().__init__(answers)
        self.retry = AsyncRetry(NoBackoff(), 1)

    async def get_connection(self):
        return self

    async def send_packed_command(self, commands, *, check_health):
        super().send_packed_command(commands, check_health=check_health)

    async def read_response(self):
        return super().read_response()

    async def disconnect(self):
        super().disconnect()

    async def release(self, _):
        super().release(_)


@pytest.fixture(params=[Wire, AsyncWire])
def wire(request):
    def make(*answers):
        made = request.param(answers)

        async def slices(count):
            def from_one_on(first):
                for at in range(first, count):
                    made.done.append(f"make {at}")
                    yield [f"a{at}", f"b{at}"]

            found = exchange(made, from_one_on)
            return found if isinstance(found, list) else await found

        return made, slices

    return make


async def test_a_slice_is_made_while_redis_works_on_the_one_before_and_two_at_most_are_under_way(wire):
    made, slices = wire(*range(6))

    assert await slices(3) == [[0, 1], [2, 3], [4, 5]]
    assert made.done == [
        "make 0", ("send", b"a0b0", True),
        "make 1", ("send", b"a1b1", False), 0, 1,
        "make 2", ("send", b"a2b2", False), 2, 3,
        4, 5, "release",
    ]  # fmt: skip


async def test_of_nothing_nothing_is_sent(wire):
    made, slices = wire()
    assert await slices(0) == []
    assert made.done == ["release"]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), RedisTimeoutError("slow")])
async def test_after_a_break_the_slices_without_all_their_answers_are_made_and_sent_again(wire, error):
    made, slices = wire(0, 1, 2, error, 2, 3, 4, 5)

    assert await slices(3) == [[0, 1], [2, 3], [4, 5]]
    again = made.done.index("disconnect")
    assert made.done[again + 1 : again + 3] == ["make 1", ("send", b"a1b1", True)]


@pytest.mark.parametrize(
    "error", [ResponseError("oom"), asyncio.CancelledError(), RedisConnectionError("gone")]
)
async def test_a_connection_with_unread_answers_is_closed_before_somebody_else_gets_it(wire, error):
    made, slices = wire(0, error, error)

    with pytest.raises(type(error)):
        await slices(3)
    assert made.done[-2:] == ["disconnect", "release"]
