"""The assistants provider against the bundled run server, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from threadrun.models import Run
from threadrun.request import RUN_KEY_METADATA, MessageInput, RunRequest
from threadrun.testing import ManualClock, RunServer, ServerOptions
from worker.providers import (
    AssistantsProvider,
    No,
    ProfileConnection,
    Refusal,
    Reply,
    ToolOutput,
    Unknown,
    Yes,
)

T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[RunServer]:
    options = ServerOptions(accept_any_assistant=True, poll_after_ms=250, api_key="sk-right")
    with RunServer(options, clock=ManualClock()) as running:
        yield running


@pytest.fixture
async def provider(server: RunServer) -> AsyncIterator[AssistantsProvider]:
    opened = AssistantsProvider(ProfileConnection("default", server.base_url, SecretStr("sk-right")))
    yield opened
    await opened.close()


def value(reply: Reply[T]) -> T:
    assert isinstance(reply, Yes), reply
    return reply.value


def refusal(reply: Reply[Any]) -> Refusal:
    assert isinstance(reply, No), reply
    return reply.refusal


def request(script: str, **more: Any) -> RunRequest:
    return RunRequest(assistant_id="asst_1", messages=(MessageInput(content=script),), **more)


async def started(provider: AssistantsProvider, script: str, run_key: str = "key-1") -> tuple[str, Run]:
    wanted = request(script, metadata={"team": "a"})
    thread_id = value(await provider.create_thread(wanted, run_key=run_key))
    return thread_id, value(await provider.create_run(thread_id, wanted, run_key=run_key))


async def test_a_run_with_a_tool_goes_from_its_thread_to_its_reply(
    server: RunServer, provider: AssistantsProvider
) -> None:
    thread_id, run = await started(provider, 'call get_weather {"city": "Oslo"}; say It is $1.')
    where = (thread_id, run.id)
    assert run.metadata[RUN_KEY_METADATA] == "key-1"

    server.clock.advance(1)
    looked = await provider.get_run(*where)
    assert isinstance(looked, Yes)
    assert (looked.value.status, looked.poll_after_seconds) == ("requires_action", 0.25)
    assert looked.value.required_action is not None
    (call,) = looked.value.required_action.tool_calls
    value(await provider.submit_tool_outputs(*where, [ToolOutput(call.id, "12 °C")]))

    server.clock.advance(1)
    assert value(await provider.get_run(*where)).status == "completed"
    steps = value(await provider.list_steps(*where))
    assert [step.type for step in steps.data] == ["tool_calls", "message_creation"]
    messages = value(await provider.list_messages(*where))
    assert [message.run_id for message in messages.data] == [run.id]
    assert "It is 12 °C." in messages.to_wire_json()


async def test_a_threads_runs_are_listed_newest_first_and_page_by_page(
    server: RunServer, provider: AssistantsProvider
) -> None:
    thread_id, first = await started(provider, "say one")
    server.clock.advance(1)
    again = RunRequest(assistant_id="asst_1", thread_id=thread_id)
    second = value(await provider.create_run(thread_id, again, run_key="key-2"))
    page = value(await provider.list_runs(thread_id))
    assert [run.metadata[RUN_KEY_METADATA] for run in page.data] == ["key-2", "key-1"]
    rest = value(await provider.list_runs(thread_id, after=second.id))
    assert [run.id for run in rest.data] == [first.id]
    assert value(await provider.list_runs(thread_id, after=first.id)).data == ()


async def test_a_second_run_on_a_busy_thread_is_refused_with_the_run_in_the_way(
    provider: AssistantsProvider,
) -> None:
    thread_id, run = await started(provider, "think 100")
    again = RunRequest(assistant_id="asst_1", thread_id=thread_id)
    reply = await provider.create_run(thread_id, again, run_key="key-2")
    assert isinstance(reply, No)
    assert (reply.refusal, reply.blocking_run_id) == (Refusal.BUSY_THREAD, run.id)
    speaking = request("more", thread_id=thread_id)
    assert refusal(await provider.create_run(thread_id, speaking, run_key="key-3")) is Refusal.BUSY_THREAD


async def test_a_run_is_cancelled_once(server: RunServer, provider: AssistantsProvider) -> None:
    thread_id, run = await started(provider, "think 100")
    where = (thread_id, run.id)
    assert value(await provider.cancel_run(*where)).status == "cancelling"
    server.clock.advance(1)
    assert value(await provider.get_run(*where)).status == "cancelled"
    assert refusal(await provider.cancel_run(*where)) is Refusal.WRONG_STATUS
    assert (
        refusal(await provider.submit_tool_outputs(*where, [ToolOutput("call_1", "x")]))
        is Refusal.WRONG_STATUS
    )


async def test_what_is_not_there_is_not_found(provider: AssistantsProvider) -> None:
    thread_id, run = await started(provider, "say hi")
    asked: list[Reply[Any]] = [
        await provider.get_run(thread_id, "run_none"),
        await provider.get_run("thread_none", run.id),
        await provider.list_runs("thread_none"),
        await provider.cancel_run(thread_id, "run_none"),
    ]
    assert [refusal(reply) for reply in asked] == [Refusal.NOT_FOUND] * 4
    assert refusal(await provider.cancel_run(thread_id, "run/../none")) is Refusal.NO_ROUTE


async def test_outputs_that_do_not_match_are_invalid(server: RunServer, provider: AssistantsProvider) -> None:
    thread_id, run = await started(provider, "call a and b")
    server.clock.advance(1)
    reply = await provider.submit_tool_outputs(thread_id, run.id, [ToolOutput("call_none", "x")])
    assert isinstance(reply, No)
    assert reply.refusal is Refusal.INVALID
    assert reply.answer.error is not None
    assert "Expected tool outputs" in (reply.answer.error["message"] or "")


async def test_a_value_that_the_server_refuses_is_invalid_and_names_its_place(
    server: RunServer, provider: AssistantsProvider
) -> None:
    thread_id, _ = await started(provider, "say hi")
    server.clock.advance(1)
    odd = RunRequest(assistant_id="asst_1", thread_id=thread_id, reasoning_effort="sometimes")
    reply = await provider.create_run(thread_id, odd, run_key="key-2")
    assert isinstance(reply, No)
    assert reply.refusal is Refusal.INVALID
    assert reply.answer.error is not None
    assert reply.answer.error["param"] == "reasoning_effort"


async def test_a_wrong_key_is_unauthorized_and_stays_out_of_the_answer(server: RunServer) -> None:
    provider = AssistantsProvider(ProfileConnection("default", server.base_url, SecretStr("sk-wrong")))
    reply = await provider.get_run("thread_1", "run_1")
    await provider.close()
    assert refusal(reply) is Refusal.UNAUTHORIZED
    assert "sk-wrong" not in repr(reply)


async def test_a_base_url_that_leads_past_the_api_is_no_missing_run(server: RunServer) -> None:
    wrong = server.base_url.replace("/v1", "/v2")
    provider = AssistantsProvider(ProfileConnection("default", wrong, SecretStr("sk-right")))
    asked: list[Reply[Any]] = [
        await provider.create_thread(request("say hi"), run_key="key-1"),
        await provider.create_run("thread_1", request("say hi"), run_key="key-1"),
        await provider.get_run("thread_1", "run_1"),
        await provider.submit_tool_outputs("thread_1", "run_1", [ToolOutput("call_1", "x")]),
    ]
    await provider.close()
    assert [refusal(reply) for reply in asked] == [Refusal.NO_ROUTE] * 4


async def test_a_server_that_went_away_and_came_back_is_asked_again(
    server: RunServer, provider: AssistantsProvider
) -> None:
    thread_id, run = await started(provider, "say hi")
    server.stop()
    away = await provider.get_run(thread_id, run.id)
    # A kept connection may break on the request; a new one is refused.
    assert isinstance(away, Unknown) or refusal(away) is Refusal.NEVER_SENT
    server.start()
    assert value(await provider.get_run(thread_id, run.id)).id == run.id
