"""The two drivers of an operation differ only in `await`: same steps, same pauses, same errors."""

from __future__ import annotations

import asyncio
import inspect
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from threadrun.client import AsyncRunClient, RunClient, operation
from threadrun.client.aio import AsyncRunHandle
from threadrun.client.operation import Pause, run, run_async
from threadrun.client.sync import RunHandle
from threadrun.errors import StoreUnavailable, WaitTimeout


class Store:
    """Answer with what was asked, at once or later."""

    def __init__(self, later):
        self.later = later

    def ask(self, value):
        async def answer():
            return value

        return answer() if self.later else value

    def fail(self, error):
        async def answer():
            raise error

        if self.later:
            return answer()
        raise error


@pytest.fixture(params=["sync", "asyncio"])
def drive(request):
    async def driven(steps):
        if request.param == "sync":
            return run(steps, Store(False))
        return await run_async(steps, Store(True))

    return driven


async def test_each_step_gets_its_answer_and_the_result_is_the_operations(drive):
    def steps():
        first = yield lambda store: store.ask(1)
        second = yield lambda store: store.ask(first + 1)
        return first, second

    assert await drive(steps()) == (1, 2)


async def test_a_pause_is_waited_for_and_answers_nothing(drive, monkeypatch):
    slept = []

    async def note(seconds):
        slept.append(seconds)

    monkeypatch.setattr(operation.time, "sleep", slept.append)
    monkeypatch.setattr(operation.asyncio, "sleep", note)

    def steps():
        yield lambda store: store.ask(1)
        answer = yield Pause(0.25)
        return answer

    assert await drive(steps()) is None
    assert slept == [0.25]


async def test_an_asyncio_pause_leaves_the_loop_to_others():
    def steps():
        yield Pause(0.2)

    beats = []

    async def beat():
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    other = asyncio.create_task(beat())
    await run_async(steps(), None)
    other.cancel()
    assert len(beats) > 3


@pytest.mark.parametrize(
    "error",
    [RedisConnectionError("refused"), RedisTimeoutError("slow"), ResponseError("OOM"), OSError("broken pipe"),
     ConnectionResetError("reset"), TimeoutError("late")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_whatever_goes_wrong_on_the_way_to_redis_is_told_as_one_error(drive, error):
    def steps():
        yield lambda store: store.fail(error)

    with pytest.raises(StoreUnavailable) as caught:
        await drive(steps())
    assert caught.value.reason == f"{type(error).__name__}: {error}"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("text", ["redis://user:pw@host: refused", "", "first\nsecond", "x" * 1000])
async def test_the_reason_is_short_and_holds_no_url(drive, text):
    def steps():
        yield lambda store: store.fail(ResponseError(text))

    with pytest.raises(StoreUnavailable) as caught:
        await drive(steps())
    reason = caught.value.reason
    assert reason.startswith("ResponseError")
    assert len(reason) < 220
    assert "pw" not in reason
    assert "second" not in reason


async def test_our_own_errors_pass_though_one_of_them_is_a_timeout_and_so_an_os_error(drive):
    def steps():
        yield lambda store: store.ask(1)
        raise WaitTimeout("a", "poll", 1.0)

    assert issubclass(WaitTimeout, OSError)
    with pytest.raises(WaitTimeout):
        await drive(steps())


async def test_a_defect_of_ours_is_not_dressed_up_as_a_redis_that_does_not_answer(drive):
    def steps():
        yield lambda store: store.ask(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await drive(steps())


def signature(kind, name):
    found = inspect.signature(getattr(kind, name))
    return [(p.name, p.kind, p.default) for p in found.parameters.values()]


@pytest.mark.parametrize(("one", "other"), [(RunClient, AsyncRunClient), (RunHandle, AsyncRunHandle)])
def test_the_twins_have_the_same_methods_with_the_same_parameters(one, other):
    public = [name for name in dir(one) if not name.startswith("_")]
    assert public == [name for name in dir(other) if not name.startswith("_")]
    for name in public:
        if callable(getattr(one, name)):
            assert signature(one, name) == signature(other, name)


@pytest.mark.parametrize("kind", [RunClient, AsyncRunClient])
def test_every_method_says_what_it_raises(kind):
    for name in (
        "enqueue",
        "enqueue_many",
        "replay",
        "get",
        "list",
        "wait",
        "events",
        "cancel",
        "tools",
        "stats",
    ):
        told = inspect.getdoc(getattr(kind, name))
        assert "Raises:" in told
        assert "StoreUnavailable" in told
