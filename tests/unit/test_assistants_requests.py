"""What the provider puts on the wire, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from tests.unit.raw_server import answering, raw_server
from threadrun.request import MessageInput, RunRequest
from worker.providers import AssistantsProvider, ProfileConnection, ToolApproval, ToolOutput
from worker.providers.dialects import AzureAgentsDialect, Dialect

REQUEST = RunRequest(
    assistant_id="asst_1",
    thread_id="thread_1",
    messages=(MessageInput(content="hé"),),
    metadata={"team": "a"},
    include=("step_details.tool_calls[*].file_search.results[*].content",),
)
NEW_THREAD = RunRequest(assistant_id="asst_1", messages=(MessageInput(content="hi"),))
Ask = Callable[[AssistantsProvider], Awaitable[Any]]


class Sent:
    """One request as the server got it."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.line, *lines = head.decode("latin-1").split("\r\n")
        self.names = [line.partition(":")[0].lower() for line in lines]
        self.headers = {name: line.partition(": ")[2] for name, line in zip(self.names, lines, strict=True)}


async def sent(ask: Ask, dialect: Dialect | None = None, **settings: Any) -> Sent:
    async with raw_server(answering(b"{}")) as server:
        connection = ProfileConnection("default", f"{server.url}/v1", **settings)
        provider = AssistantsProvider(connection, dialect=dialect)
        try:
            await ask(provider)
        finally:
            await provider.close()
    assert len(server.requests) == 1
    return Sent(server.requests[0])


async def test_every_request_goes_to_its_path() -> None:
    page = "limit=100"
    for ask, line in (
        (lambda p: p.create_thread(NEW_THREAD, run_key="k"), "POST /v1/threads"),
        (lambda p: p.create_run("t", NEW_THREAD, run_key="k"), "POST /v1/threads/t/runs"),
        (lambda p: p.get_run("t", "r"), "GET /v1/threads/t/runs/r"),
        (lambda p: p.list_runs("t"), f"GET /v1/threads/t/runs?order=desc&{page}"),
        (lambda p: p.list_runs("t", after="r&2"), f"GET /v1/threads/t/runs?order=desc&{page}&after=r%262"),
        (lambda p: p.submit_tool_outputs("t", "r", []), "POST /v1/threads/t/runs/r/submit_tool_outputs"),
        (lambda p: p.cancel_run("t", "r"), "POST /v1/threads/t/runs/r/cancel"),
        (
            lambda p: p.list_steps("t", "r", after="s"),
            f"GET /v1/threads/t/runs/r/steps?order=asc&{page}&after=s",
        ),
        (lambda p: p.list_messages("t", "r"), f"GET /v1/threads/t/messages?run_id=r&order=asc&{page}"),
    ):
        assert (await sent(ask)).line == f"{line} HTTP/1.1"


async def test_an_id_is_one_path_segment_whatever_it_holds() -> None:
    request = await sent(lambda p: p.get_run("../a?b#c", "r%2F é/x"))
    assert request.line == "GET /v1/threads/..%2Fa%3Fb%23c/runs/r%252F%20%C3%A9%2Fx HTTP/1.1"


async def test_the_key_and_the_version_go_into_headers() -> None:
    request = await sent(
        lambda p: p.get_run("t", "r"), api_key=SecretStr("sk-1"), organization="org-1", project="proj-1"
    )
    assert request.headers["authorization"] == "Bearer sk-1"
    assert request.headers["openai-beta"] == "assistants=v2"
    assert request.headers["openai-organization"] == "org-1"
    assert request.headers["openai-project"] == "proj-1"
    assert request.headers["user-agent"].startswith("threadrun")
    assert request.headers["accept-encoding"] == "gzip, deflate"
    assert len(set(request.names)) == len(request.names)
    assert "sk-1" not in request.line


async def test_the_key_can_go_into_its_own_header() -> None:
    request = await sent(lambda p: p.get_run("t", "r"), api_key=SecretStr("k"), api_key_header="api-key")
    assert request.headers["api-key"] == "k"
    assert "authorization" not in request.headers


async def test_without_a_key_none_is_sent() -> None:
    request = await sent(lambda p: p.get_run("t", "r"))
    assert not {"authorization", "api-key", "openai-organization", "openai-project"} & set(request.names)


async def test_the_profiles_query_goes_with_every_request() -> None:
    query = {"api-version": "2025-05-01", "a b": "c&d"}
    request = await sent(lambda p: p.get_run("t", "r"), extra_query=query)
    assert request.line == "GET /v1/threads/t/runs/r?api-version=2025-05-01&a+b=c%26d HTTP/1.1"
    request = await sent(lambda p: p.list_runs("t"), extra_query={"v": "1"})
    assert request.line == "GET /v1/threads/t/runs?v=1&order=desc&limit=100 HTTP/1.1"


async def test_what_to_include_is_repeated_in_the_query() -> None:
    request = await sent(lambda p: p.list_steps("t", "r", include=("a", "b")))
    assert request.line.partition("limit=100")[2] in {
        "&include[]=a&include[]=b HTTP/1.1",
        "&include%5B%5D=a&include%5B%5D=b HTTP/1.1",
    }
    assert "include" in (await sent(lambda p: p.create_run("t", REQUEST, run_key="k"))).line


async def test_a_run_is_created_with_our_key_in_its_metadata() -> None:
    request = await sent(lambda p: p.create_run("thread_1", REQUEST, run_key="k"))
    assert json.loads(request.body) == {
        "assistant_id": "asst_1",
        "metadata": {"team": "a", "threadrun_key": "k"},
        "additional_messages": [{"role": "user", "content": "hé"}],
    }
    assert request.headers["content-type"] == "application/json"


async def test_a_thread_is_created_with_the_messages_and_the_run_without() -> None:
    thread = await sent(lambda p: p.create_thread(NEW_THREAD, run_key="k"))
    assert json.loads(thread.body)["messages"] == [{"role": "user", "content": "hi"}]
    run = await sent(lambda p: p.create_run("t", NEW_THREAD, run_key="k"))
    assert "additional_messages" not in json.loads(run.body)


async def test_the_same_outputs_give_the_same_bytes() -> None:
    outputs = [ToolOutput("call_2", '{"a": [1.0, "é"]}'), ToolOutput("", "\ud800 \x00")]
    first, second = [await sent(lambda p: p.submit_tool_outputs("t", "r", outputs)) for _ in range(2)]
    assert first.body == second.body
    assert json.loads(first.body) == {
        "tool_outputs": [
            {"tool_call_id": "call_2", "output": '{"a": [1.0, "é"]}'},
            {"tool_call_id": "", "output": "\ud800 \x00"},
        ]
    }
    assert b" :" not in first.body
    assert b'": "' not in first.body.replace(b'{\\"a\\": ', b"")


async def test_a_cancel_has_no_body() -> None:
    request = await sent(lambda p: p.cancel_run("t", "r"))
    assert (request.body, request.headers["content-length"]) == (b"", "0")


async def test_outputs_of_megabytes_are_sent_whole() -> None:
    outputs = [ToolOutput(f"call_{n}", "x" * 500_000) for n in range(4)]
    request = await sent(lambda p: p.submit_tool_outputs("t", "r", outputs))
    assert [len(item["output"]) for item in json.loads(request.body)["tool_outputs"]] == [500_000] * 4
    assert request.headers["content-type"] == "application/json"
    assert request.headers["openai-beta"] == "assistants=v2"
    assert len(set(request.names)) == len(request.names)


async def test_azure_agents_are_asked_with_their_version_and_names_joined_by_commas() -> None:
    request = RunRequest(assistant_id="a", thread_id="t", include=("one", "two"))
    seen = await sent(
        lambda p: p.create_run("t", request, run_key="k"), AzureAgentsDialect(), extra_query={"team": "x"}
    )
    url = urlsplit(seen.line.split()[1])
    assert url.path == "/v1/threads/t/runs"
    assert parse_qsl(url.query) == [("api-version", "v1"), ("team", "x"), ("include[]", "one,two")]
    assert "openai-beta" not in seen.names


async def test_a_profile_may_name_another_version_of_azures_api() -> None:
    version = {"api-version": "2025-05-15-preview"}
    seen = await sent(lambda p: p.get_run("t", "r"), AzureAgentsDialect(), extra_query=version)
    assert seen.line == "GET /v1/threads/t/runs/r?api-version=2025-05-15-preview HTTP/1.1"


async def test_no_names_to_include_leave_no_empty_parameter() -> None:
    seen = await sent(lambda p: p.list_steps("t", "r"), AzureAgentsDialect())
    assert "include" not in seen.line


async def test_approvals_go_where_outputs_go_with_the_headers_of_their_server() -> None:
    answers = [
        ToolApproval("call_1", approve=True, headers={"x-team": "a"}),
        ToolApproval("call_2", approve=False),
    ]
    seen = await sent(lambda p: p.submit_tool_outputs("t", "r", answers))
    assert seen.line == "POST /v1/threads/t/runs/r/submit_tool_outputs HTTP/1.1"
    assert json.loads(seen.body) == {
        "tool_approvals": [
            {"tool_call_id": "call_1", "approve": True, "headers": {"x-team": "a"}},
            {"tool_call_id": "call_2", "approve": False},
        ]
    }
