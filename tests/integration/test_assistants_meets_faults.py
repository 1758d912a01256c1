"""Every fault of a server and of the network, as our provider names it: yes, no, or unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from threadrun.models import Run
from threadrun.request import MessageInput, RunRequest
from threadrun.testing import FaultPlan, FaultProxy, FaultRule, ManualClock, Quirk, RunServer, ServerOptions
from threadrun.testing.faults import Fault, Moment, RetryAfter
from threadrun.testing.proxy_faults import (
    BlackHole,
    CutAfter,
    Drip,
    Latency,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
    Way,
)
from worker.providers import (
    AssistantsProvider,
    No,
    ProfileConnection,
    Reply,
    ToolOutput,
    Unknown,
    Yes,
)

T = TypeVar("T")

PATIENT_SECONDS, IMPATIENT_SECONDS = 10.0, 0.3

EFFECTS = {
    "create_thread": "thread.created",
    "create_run": "run.created",
    "get_run": "run.read",
    "list_runs": "runs.listed",
    "submit": "outputs.accepted",
    "cancel": "run.cancelled",
    "steps": "steps.listed",
    "messages": "messages.listed",
}


def request(script: str = "say hi") -> RunRequest:
    return RunRequest(assistant_id="asst_demo", messages=(MessageInput(content=script),))


@asynccontextmanager
async def provider_of(
    url: str, deadline_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[AssistantsProvider]:
    connection = ProfileConnection(
        "default", url, SecretStr("sk-any"), request_deadline_seconds=deadline_seconds
    )
    provider = AssistantsProvider(connection)
    try:
        yield provider
    finally:
        await provider.close()


def value(reply: Reply[T]) -> T:
    assert isinstance(reply, Yes), reply
    return reply.value


def named(reply: Reply[Any]) -> str:
    """yes, or why not in one word."""
    match reply:
        case Yes():
            return "yes"
        case No():
            return f"no: {reply.refusal}"
        case Unknown():
            return f"unknown: {reply.reason}"


async def started(server: RunServer, script: str) -> tuple[str, str]:
    async with provider_of(server.base_url) as provider:
        thread_id = value(await provider.create_thread(request(script), run_key="K"))
        wanted = RunRequest(assistant_id="asst_demo", thread_id=thread_id)
        run = value(await provider.create_run(thread_id, wanted, run_key="K"))
    server.clock.advance(1)
    return thread_id, run.id


async def outputs_for(server: RunServer, run_id: str) -> list[ToolOutput]:
    action = server.run(run_id)["required_action"]
    return [ToolOutput(call["id"], "x") for call in action["submit_tool_outputs"]["tool_calls"]]


async def ask_all(
    server: RunServer, provider: AssistantsProvider
) -> dict[str, Callable[[], Awaitable[Reply[Any]]]]:
    """Every operation, on runs of its own where it changes them."""
    read, answered, cancelled = [await started(server, "call a; say $1") for _ in range(3)]
    empty, _ = await started(server, "say done")
    outputs = await outputs_for(server, answered[1])
    wanted = RunRequest(assistant_id="asst_demo", thread_id=empty)
    return {
        "create_thread": lambda: provider.create_thread(request(), run_key="L"),
        "create_run": lambda: provider.create_run(empty, wanted, run_key="L"),
        "get_run": lambda: provider.get_run(*read),
        "list_runs": lambda: provider.list_runs(read[0]),
        "submit": lambda: provider.submit_tool_outputs(*answered, outputs),
        "cancel": lambda: provider.cancel_run(*cancelled),
        "steps": lambda: provider.list_steps(*read),
        "messages": lambda: provider.list_messages(*read),
    }


@pytest.fixture(scope="module")
def shared() -> Iterator[RunServer]:
    with RunServer(clock=ManualClock()) as running:
        yield running


@pytest.fixture
def server(shared: RunServer) -> Iterator[RunServer]:
    shared.faults = None
    yield shared
    shared.faults = None


def rule(fault: Fault, **more: Any) -> FaultRule:
    return FaultRule(fault=fault, **more)


EITHER_SIDE = [
    *((rule(Fault.CONNECTION_CLOSED, when=when), "unknown: connection_lost") for when in Moment),
    *((rule(Fault.SILENCE, when=when), "unknown: timeout") for when in Moment),
    *(
        (rule(Fault.SERVER_ERROR, when=when, status=status), "unknown: server_error")
        for when in Moment
        for status in (500, 502, 503, 504)
    ),
    *((rule(Fault.HTML, when=when, status=502), "unknown: server_error") for when in Moment),
]
SPOILED = [
    (rule(Fault.HTML), "unknown: bad_body"),
    (rule(Fault.CUT_BODY), "unknown: connection_lost"),
    (rule(Fault.TRUNCATED_JSON), "unknown: bad_body"),
    (rule(Fault.WRONG_JSON), "unknown: bad_body"),
    (rule(Fault.WRONG_TYPES), "unknown: bad_body"),
    (rule(Fault.GZIP_BOMB), "unknown: too_large"),
    (rule(Fault.ENDLESS_BODY), "unknown: too_large"),
    (rule(Fault.DRIP), "unknown: timeout"),
    (rule(Fault.BIG_HEADERS), "unknown: bad_response"),
]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        *EITHER_SIDE,
        *SPOILED,
        *((rule(Fault.RATE_LIMITED, retry_after=form), "no: rate_limited") for form in RetryAfter),
    ],
    ids=lambda item: (
        item if isinstance(item, str) else f"{item.fault}-{item.when}-{item.status}-{item.retry_after}"
    ),
)
async def test_a_fault_is_named_the_same_on_every_operation(
    server: RunServer, broken: FaultRule, expected: str
) -> None:
    deadline_seconds = IMPATIENT_SECONDS if expected == "unknown: timeout" else PATIENT_SECONDS
    async with provider_of(server.base_url, deadline_seconds) as provider:
        asked = await ask_all(server, provider)
        server.faults = FaultPlan([broken])
        before = len(server.log)
        replies = await asyncio.gather(*(ask() for ask in asked.values()))

    assert dict(zip(asked, map(named, replies), strict=True)) == dict.fromkeys(asked, expected)
    did = sorted(effect.effect for effect in server.log[before:])
    assert did == (["prevented"] * len(asked) if broken.comes_before else sorted(EFFECTS.values()))
    assert {effect.fault for effect in server.log[before:]} == {broken.fault}


@pytest.mark.parametrize("form", RetryAfter)
async def test_the_hint_of_a_429_is_read_in_every_form(server: RunServer, form: RetryAfter) -> None:
    server.faults = FaultPlan([rule(Fault.RATE_LIMITED, retry_after=form, seconds=20)])
    async with provider_of(server.base_url) as provider:
        reply = await provider.create_thread(request(), run_key="K")

    assert isinstance(reply, No)
    match form:
        case RetryAfter.NONE:
            assert reply.retry_after_seconds is None
        case RetryAfter.HTTP_DATE:
            # The server's Date header is renewed once a second.
            assert reply.retry_after_seconds == pytest.approx(20, abs=2)
        case _:
            assert reply.retry_after_seconds == 20


async def test_a_wrong_id_is_seen_wherever_the_right_one_is_known(server: RunServer) -> None:
    async with provider_of(server.base_url) as provider:
        asked = await ask_all(server, provider)
        server.faults = FaultPlan([rule(Fault.WRONG_ID)])
        names = {name: named(await asked[name]()) for name in ("get_run", "submit", "cancel", "create_run")}

    # Whoever creates cannot know better; the next read does not find that run.
    assert names == {
        "get_run": "unknown: bad_body",
        "submit": "unknown: bad_body",
        "cancel": "unknown: bad_body",
        "create_run": "yes",
    }


async def test_lost_metadata_and_unknown_statuses_are_still_answers(server: RunServer) -> None:
    where = await started(server, "think 500")
    async with provider_of(server.base_url) as provider:
        server.faults = FaultPlan([rule(Fault.METADATA_NOT_ECHOED)])
        assert value(await provider.get_run(*where)).metadata == {}
        assert value(await provider.list_runs(where[0])).data[0].metadata == {}
        server.faults = FaultPlan([rule(Fault.UNKNOWN_STATUS)])
        assert value(await provider.get_run(*where)).status == "pondering"


async def test_stale_reads_are_answers_like_any_other(server: RunServer) -> None:
    where = await started(server, "call a; say $1")
    outputs = await outputs_for(server, where[1])
    server.faults = FaultPlan([rule(Fault.STALE_REQUIRED_ACTION, seconds=5)])
    async with provider_of(server.base_url) as provider:
        value(await provider.submit_tool_outputs(*where, outputs))
        assert value(await provider.get_run(*where)).status == "requires_action"
        assert named(await provider.submit_tool_outputs(*where, outputs)) == "no: wrong_status"
        server.clock.advance(5)
        assert value(await provider.get_run(*where)).status == "completed"

        server.faults = FaultPlan([rule(Fault.STALE_READ, seconds=60)])
        assert named(await provider.get_run(*where)) == "no: not_found"


async def test_a_regressing_run_is_answered_as_it_stands(server: RunServer) -> None:
    where = await started(server, "call a; say $1")
    server.faults = FaultPlan([rule(Fault.REGRESSION, seconds=5)])
    async with provider_of(server.base_url) as provider:
        statuses = [value(await provider.cancel_run(*where)).status]
        for seconds in (1, 10):
            server.clock.advance(seconds)
            statuses.append(value(await provider.get_run(*where)).status)

    assert statuses == ["cancelling", "cancelled", "requires_action"]


@pytest.mark.parametrize(
    ("broken", "expected", "took_effect"),
    [
        (ResetBefore(), "unknown: connection_lost", False),
        (ResetAfter(), "unknown: connection_lost", True),
        (CutAfter(0), "unknown: connection_lost", True),
        (CutAfter(20), "unknown: connection_lost", True),
        (CutAfter(200), "unknown: connection_lost", True),
        (CutAfter(20, Way.REQUESTS), "unknown: connection_lost", False),
        (BlackHole(), "unknown: timeout", False),
        (Drip(bytes_per_second=50), "unknown: timeout", True),
        (Latency(0.02), "yes", True),
        (Refuse(), "no: never_sent", False),
    ],
    ids=str,
)
async def test_a_fault_of_the_network_is_named_for_what_it_leaves_open(
    server: RunServer, broken: ProxyFault, expected: str, took_effect: bool
) -> None:
    impatient = expected == "unknown: timeout"
    with FaultProxy.before(server.base_url) as proxy:
        proxy.set(broken)
        async with provider_of(proxy.url, IMPATIENT_SECONDS if impatient else PATIENT_SECONDS) as provider:
            before = len(server.effects("thread.created"))
            reply = await provider.create_thread(request(), run_key="K")

        assert named(reply) == expected
        assert len(server.effects("thread.created")) - before == took_effect


async def test_a_kept_connection_that_died_is_unknown_and_the_next_is_new(server: RunServer) -> None:
    with FaultProxy.before(server.base_url) as proxy:
        async with provider_of(proxy.url, IMPATIENT_SECONDS) as provider:
            value(await provider.create_thread(request(), run_key="K"))
            proxy.half_open()
            assert named(await provider.create_thread(request(), run_key="K")) == "unknown: timeout"
            value(await provider.create_thread(request(), run_key="K"))


def quirky(*quirks: Quirk) -> RunServer:
    return RunServer(ServerOptions(quirks=set(quirks)), clock=ManualClock())


async def test_objects_with_quirks_are_read() -> None:
    shown = [
        Quirk.METADATA_NULL,
        Quirk.FLOAT_TIMES,
        Quirk.USAGE_NULL,
        Quirk.STEPS_WITHOUT_USAGE,
        Quirk.REQUIRED_ACTION_EMPTY_OBJECT,
    ]
    with quirky(*shown) as odd:
        where = await started(odd, "call a; say $1")
        async with provider_of(odd.base_url) as provider:
            value(await provider.submit_tool_outputs(*where, await outputs_for(odd, where[1])))
            odd.clock.advance(1)
            run: Run = value(await provider.get_run(*where))
            steps = value(await provider.list_steps(*where)).data

    assert (run.status, run.metadata, run.usage, run.required_action) == ("completed", {}, None, None)
    assert [step.usage for step in steps] == [None, None]
    assert isinstance(run.created_at, float)


async def test_answers_with_quirks_are_named() -> None:
    quirks = [
        Quirk.PARTIAL_OUTPUTS_ACCEPTED,
        Quirk.UNKNOWN_CALL_500,
        Quirk.NOT_FOUND_INSTEAD_OF_WRONG_STATUS,
        Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS,
        Quirk.CANCEL_FINISHED_200,
        Quirk.NO_ACTIVE_RUN_LIMIT,
    ]
    with quirky(*quirks) as odd:
        where = await started(odd, "call a and b; say $1")
        first, second = await outputs_for(odd, where[1])
        async with provider_of(odd.base_url) as provider:
            stranger = ToolOutput("call_none", "x")
            assert named(await provider.submit_tool_outputs(*where, [stranger])) == "unknown: server_error"
            some = value(await provider.submit_tool_outputs(*where, [first]))
            assert some.required_action is not None
            assert [call.id for call in some.required_action.tool_calls] == [second.tool_call_id]
            assert named(await provider.cancel_run(*where)) == "no: wrong_status"
            again = RunRequest(assistant_id="asst_demo", thread_id=where[0])
            assert named(await provider.create_run(where[0], again, run_key="L")) == "yes"
            value(await provider.submit_tool_outputs(*where, [second]))
            odd.clock.advance(1)
            assert named(await provider.submit_tool_outputs(*where, [second])) == "no: not_found"
            assert value(await provider.cancel_run(*where)).status == "completed"
