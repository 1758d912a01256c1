"""The openai client, an independent judge of the wire, drives the run server through whole runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.beta.threads import Run

from threadrun.testing import ManualClock, RunServer, ServerOptions

pytestmark = pytest.mark.filterwarnings(
    # OpenAI retired its own Assistants API, and its client says so; the wire lives on at other servers.
    "ignore:The Assistants API is deprecated:DeprecationWarning",
    "ignore:deprecated:DeprecationWarning",
)

QUICK = ServerOptions(think_seconds=0.01, cancel_seconds=0.01)
POLL_MS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[RunServer]:
    with RunServer(QUICK) as running:
        yield running


@asynccontextmanager
async def client_of(server: RunServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


async def start(client: AsyncOpenAI, script: str, **request: Any) -> Run:
    thread = await client.beta.threads.create(messages=[{"role": "user", "content": script}])
    runs: Any = client.beta.threads.runs
    run: Run = await runs.create(thread_id=thread.id, assistant_id="asst_demo", **request)
    return run


async def poll(client: AsyncOpenAI, run: Run) -> Run:
    async with asyncio.timeout(20):
        return await client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=POLL_MS)


async def submit(client: AsyncOpenAI, run: Run, **outputs: str) -> Run:
    assert run.required_action is not None
    async with asyncio.timeout(20):
        return await client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=run.thread_id,
            poll_interval_ms=POLL_MS,
            tool_outputs=[
                {"tool_call_id": call.id, "output": outputs[call.function.name]}
                for call in run.required_action.submit_tool_outputs.tool_calls
            ],
        )


async def texts(client: AsyncOpenAI, run: Run) -> list[str]:
    page = client.beta.threads.messages.list(run.thread_id, run_id=run.id, order="asc")
    return [message.content[0].text.value async for message in page]  # type: ignore[union-attr] # all are texts


async def test_a_plain_text_is_answered(server: RunServer) -> None:
    async with client_of(server) as client:
        assistant = await client.beta.assistants.create(model="gpt-4o", instructions="Be brief.", name="Bo")
        thread = await client.beta.threads.create(messages=[{"role": "user", "content": "Hello; $5?"}])
        async with asyncio.timeout(20):
            run = await client.beta.threads.runs.create_and_poll(
                thread_id=thread.id,
                assistant_id=assistant.id,
                poll_interval_ms=POLL_MS,
                metadata={"team": "a"},
            )

        assert run.status == "completed"
        assert (run.model, run.instructions, run.metadata) == ("gpt-4o", "Be brief.", {"team": "a"})
        assert run.expires_at is None
        assert run.completed_at is not None
        assert await texts(client, run) == ["You said: Hello; $5?"]
        assert (await client.beta.assistants.retrieve(assistant.id)).name == "Bo"


async def test_a_tool_is_asked_for_and_its_output_used(server: RunServer) -> None:
    async with client_of(server) as client:
        created = await start(client, 'call get_weather {"city": "Oslo"}; say It is $1')
        assert created.status == "queued"
        assert created.started_at is None
        waiting = await poll(client, created)
        assert waiting.status == "requires_action"
        assert waiting.required_action is not None
        (call,) = waiting.required_action.submit_tool_outputs.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})

        (step,) = [
            s async for s in client.beta.threads.runs.steps.list(created.id, thread_id=created.thread_id)
        ]
        assert (step.status, step.usage, step.step_details.type) == ("in_progress", None, "tool_calls")
        assert step.step_details.tool_calls[0].function.output is None  # type: ignore[union-attr] # a function

        ended = await submit(client, waiting, get_weather="4 degrees")
        assert ended.status == "completed"
        assert await texts(client, ended) == ["It is 4 degrees"]

        page = client.beta.threads.runs.steps.list(ended.id, thread_id=ended.thread_id, order="asc")
        asked, said = [s async for s in page]
        assert asked.id == step.id
        assert asked.step_details.tool_calls[0].function.output == "4 degrees"  # type: ignore[union-attr] # a function
        assert said.step_details.type == "message_creation"
        assert ended.usage is not None
        assert asked.usage is not None
        assert said.usage is not None
        assert ended.usage.total_tokens == asked.usage.total_tokens + said.usage.total_tokens
        assert (
            await client.beta.threads.runs.steps.retrieve(
                asked.id, thread_id=ended.thread_id, run_id=ended.id
            )
            == asked
        )


async def test_tools_are_asked_for_at_once_and_in_rounds(server: RunServer) -> None:
    async with client_of(server) as client:
        first = await poll(client, await start(client, "call a and b and c; then call d; say $1"))
        assert first.required_action is not None
        calls = first.required_action.submit_tool_outputs.tool_calls
        assert [call.function.name for call in calls] == ["a", "b", "c"]
        assert len({call.id for call in calls}) == 3

        second = await submit(client, first, a="1", b="2", c="3")
        assert second.status == "requires_action"
        assert second.required_action is not None
        assert [c.function.name for c in second.required_action.submit_tool_outputs.tool_calls] == ["d"]

        assert (await submit(client, second, d="four")).status == "completed"
        assert await texts(client, second) == ["four"]


async def test_outputs_may_come_in_any_order(server: RunServer) -> None:
    async with client_of(server) as client:
        waiting = await poll(client, await start(client, "call a and b; say $1 $2"))
        assert waiting.required_action is not None
        calls = waiting.required_action.submit_tool_outputs.tool_calls
        answered = await client.beta.threads.runs.submit_tool_outputs(
            run_id=waiting.id,
            thread_id=waiting.thread_id,
            tool_outputs=[
                {"tool_call_id": call.id, "output": f"for {call.function.name}"} for call in reversed(calls)
            ],
        )
        assert answered.status == "queued"
        assert answered.required_action is None
        await poll(client, answered)

        assert await texts(client, waiting) == ["for a for b"]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("end failed rate_limit_exceeded Later.", "failed"),
        ("say half; end incomplete max_prompt_tokens", "incomplete"),
        ("end expired", "expired"),
        ("think forever", "failed"),
    ],
)
async def test_a_run_ends_as_its_script_says(server: RunServer, script: str, status: str) -> None:
    async with client_of(server) as client:
        run = await poll(client, await start(client, script))

    assert run.status == status
    assert run.usage is not None
    assert run.expires_at is None
    assert (run.failed_at is not None) == (status == "failed")
    assert (run.completed_at is not None) == (status == "incomplete")
    if status == "incomplete":
        assert run.incomplete_details is not None
        assert run.incomplete_details.reason == "max_prompt_tokens"
    if script.startswith("end failed"):
        assert run.last_error is not None
        assert (run.last_error.code, run.last_error.message) == ("rate_limit_exceeded", "Later.")
    if script == "think forever":
        assert run.last_error is not None
        assert run.last_error.code == "invalid_prompt"
        assert "'forever' is no number of seconds" in run.last_error.message


async def test_the_runs_metadata_may_hold_the_script(server: RunServer) -> None:
    async with client_of(server) as client:
        run = await poll(client, await start(client, "Hello", metadata={"script": "say scripted"}))

        assert await texts(client, run) == ["scripted"]


async def test_a_thread_and_its_run_are_created_together(server: RunServer) -> None:
    async with client_of(server) as client:
        created = await client.beta.threads.create_and_run(
            assistant_id="asst_demo",
            thread={"messages": [{"role": "user", "content": [{"type": "text", "text": "say both"}]}]},
        )
        run = await poll(client, created)

        assert await texts(client, run) == ["both"]
        assert (await client.beta.threads.retrieve(run.thread_id)).id == run.thread_id


async def test_additional_messages_and_instructions_join_the_run(server: RunServer) -> None:
    async with client_of(server) as client:
        run = await poll(
            client,
            await start(
                client,
                "say old",
                instructions="One.",
                additional_instructions="Two.",
                additional_messages=[{"role": "user", "content": "say new"}],
            ),
        )

        assert run.instructions == "One.\nTwo."
        assert await texts(client, run) == ["new"]
        page = client.beta.threads.messages.list(run.thread_id)
        assert [message.role async for message in page] == ["assistant", "user", "user"]


async def test_a_cancel_is_accepted_and_then_done(server: RunServer) -> None:
    async with client_of(server) as client:
        run = await start(client, "cancel_takes 0.05; think 60")
        answered = await client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        assert answered.status == "cancelling"
        ended = await poll(client, run)

    assert ended.status == "cancelled"
    assert ended.cancelled_at is not None


async def test_a_run_expires_by_the_servers_clock() -> None:
    clock = ManualClock()
    with RunServer(QUICK, clock=clock) as server:
        async with client_of(server) as client:
            run = await start(client, "call a")
            clock.advance(1)
            waiting = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            assert waiting.expires_at == run.created_at + 600
            clock.advance(598)
            waiting = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            assert waiting.status == "requires_action"

            clock.advance(1)
            expired = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            assert expired.status == "expired"
            with pytest.raises(openai.BadRequestError, match='status "expired" do not accept tool outputs'):
                await submit(client, waiting, a="too late")


async def test_lists_are_paged_both_ways(server: RunServer) -> None:
    async with client_of(server) as client:
        thread = await client.beta.threads.create(
            messages=[{"role": "user", "content": str(number)} for number in range(5)]
        )
        messages = client.beta.threads.messages

        newest = await messages.list(thread.id, limit=2)
        assert [m.content[0].text.value for m in newest.data] == ["4", "3"]  # type: ignore[union-attr] # texts
        assert newest.has_more is True
        everything = [m.content[0].text.value async for m in messages.list(thread.id, limit=2, order="asc")]  # type: ignore[union-attr] # texts
        assert everything == ["0", "1", "2", "3", "4"]

        oldest = await messages.list(thread.id, limit=3, order="asc")
        back = await messages.list(thread.id, limit=2, order="asc", before=oldest.data[-1].id)
        assert [m.id for m in back.data] == [m.id for m in oldest.data[:2]]
        assert back.has_more is False
        nearest = await messages.list(thread.id, limit=1, order="asc", before=oldest.data[-1].id)
        assert ([m.id for m in nearest.data], nearest.has_more) == ([oldest.data[1].id], True)
        beyond = await messages.list(thread.id, order="asc", after=oldest.data[-1].id, limit=2)
        assert beyond.has_more is False
        empty = await messages.list(thread.id, order="asc", after=beyond.data[-1].id)
        assert (empty.data, empty.has_more) == ([], False)


async def test_the_runs_of_a_thread_are_listed_newest_first(server: RunServer) -> None:
    async with client_of(server) as client:
        first = await poll(client, await start(client, "say one"))
        second = await client.beta.threads.runs.create(thread_id=first.thread_id, assistant_id="asst_demo")
        runs = [run.id async for run in client.beta.threads.runs.list(first.thread_id)]
        await poll(client, second)

        assert runs == [second.id, first.id]


async def test_an_ended_run_can_be_given_other_metadata(server: RunServer) -> None:
    async with client_of(server) as client:
        run = await poll(client, await start(client, "say hi", metadata={"a": "1"}))
        await client.beta.threads.runs.update(run.id, thread_id=run.thread_id, metadata={"b": "2"})

        assert (await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)).metadata == {
            "b": "2"
        }


async def test_a_hint_when_to_poll_again_is_obeyed_by_the_client() -> None:
    # Of its own accord the client would look once a second.
    with RunServer(ServerOptions(think_seconds=0.5, poll_after_ms=10)) as server:
        async with client_of(server) as client:
            run = await start(client, "say hi")
            async with asyncio.timeout(20):
                ended = await client.beta.threads.runs.poll(run.id, thread_id=run.thread_id)

        assert ended.status == "completed"
        assert len(server.effects("run.read")) > 2
