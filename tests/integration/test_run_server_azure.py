"""The run server as Azure's agent service: strict about headers, versions and queries, with approvals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from threadrun.models import Page, Run, RunStep
from threadrun.request import MessageInput, RunRequest
from threadrun.testing import AzureAgentsDialect, ManualClock, RunServer
from worker.providers import AssistantsProvider, ProfileConnection, ToolOutput, Yes
from worker.providers.dialects import AzureAgentsDialect as Spoken

TOKEN = {"authorization": "Bearer token"}
VERSION = {"api-version": "v1"}


@pytest.fixture
def server() -> Iterator[RunServer]:
    with RunServer(clock=ManualClock(), dialect=AzureAgentsDialect()) as server:
        yield server


@pytest.fixture
def http(server: RunServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers=TOKEN, params=VERSION, trust_env=False) as http:
        yield http


def run_of(http: httpx.Client, text: str) -> str:
    thread = http.post("/threads", json={"messages": [{"role": "user", "content": text}]}).json()["id"]
    run = http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"}).json()
    assert run["status"] == "in_progress"
    assert run["expires_at"] - run["created_at"] == 1800
    return f"/threads/{thread}/runs/{run['id']}"


@pytest.mark.parametrize(
    ("headers", "query", "path", "status", "code"),
    [
        ({}, VERSION, "/threads", 401, "401"),
        ({"api-key": "k"}, VERSION, "/threads", 401, "401"),
        ({**TOKEN, "api-key": "k"}, VERSION, "/threads", 401, "401"),
        ({**TOKEN, "OpenAI-Beta": "assistants=v2"}, VERSION, "/threads", 400, "BadRequest"),
        (TOKEN, {}, "/threads", 400, "MissingApiVersionParameter"),
        (TOKEN, {"api-version": "2019-01-01"}, "/threads", 400, "UnsupportedApiVersion"),
        (TOKEN, {**VERSION, "include[]": ["a", "b"]}, "/threads", 400, "BadRequest"),
        (TOKEN, VERSION, "/v1/threads", 404, "invalid_request_error"),
    ],
)
def test_a_wrong_header_path_or_query_is_refused_in_azures_form(
    server: RunServer, headers: Mapping[str, str], query: Mapping[str, Any], path: str, status: int, code: str
) -> None:
    base = server.base_url if path == "/threads" else server.url
    reply = httpx.post(base + path, headers=headers, params=query, json={}, trust_env=False)

    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert set(reply.json()["error"]) == {"code", "message"}


def test_openais_server_does_not_take_azures_tools(http: httpx.Client) -> None:
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example"}
    with RunServer() as openai:
        headers = {**TOKEN, "OpenAI-Beta": "assistants=v2"}
        body = {"model": "m", "tools": [tool]}
        refused = httpx.post(f"{openai.base_url}/assistants", headers=headers, json=body, trust_env=False)

    assert refused.status_code == 400
    assert http.post("/assistants", json=body).json()["tools"] == [tool]


@pytest.mark.parametrize(("approve", "output"), [(True, "approved"), (False, "denied")])
def test_a_run_waits_for_the_approval_of_its_mcp_tools(
    server: RunServer, http: httpx.Client, approve: bool, output: str
) -> None:
    url = run_of(http, 'mcp docs search {"q": 1} and docs list; say $1')
    server.clock.advance(1)
    run = Run.from_wire(http.get(url).json())
    assert run.required_action is not None
    assert (run.status, run.required_action.type) == ("requires_action", "submit_tool_approval")
    first, second = run.required_calls
    assert (first.type, first.name, first.arguments) == ("mcp", "search", '{"q": 1}')
    assert first.payload["server_label"] == "docs"
    assert run.expires_at == run.created_at + 36_000  # type: ignore[operator]

    submit = f"{url}/submit_tool_outputs"
    ids = [call.id for call in (first, second)]
    assert (
        http.post(submit, json={"tool_outputs": [{"tool_call_id": ids[0], "output": "x"}]}).status_code == 400
    )
    approvals = [{"tool_call_id": one, "approve": approve} for one in ids]
    assert http.post(submit, json={"tool_approvals": approvals[:1]}).status_code == 400
    taken = http.post(submit, json={"tool_approvals": approvals})
    assert (taken.status_code, taken.json()["status"]) == (200, "in_progress")
    server.clock.advance(1)

    assert http.get(url).json()["status"] == "completed"
    steps = Page[RunStep].from_wire(http.get(f"{url}/steps", params={"order": "asc"}).json()).data
    call = steps[0].tool_calls[0]
    assert (call.type, call.payload["output"], call.payload["server_label"]) == ("mcp", output, "docs")


def test_a_tool_that_azure_runs_itself_sits_in_requires_action_until_it_is_done(
    server: RunServer, http: httpx.Client
) -> None:
    url = run_of(http, 'serve azure_function foo {"q": 1}; say $1')
    server.clock.advance(0.05)
    waiting = http.get(url).json()
    (call,) = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert (waiting["status"], call["type"]) == ("requires_action", "azure_function")
    assert call["azure_function"] == {"name": "foo", "arguments": '{"q": 1}'}
    server.clock.advance(1)

    assert http.get(url).json()["status"] == "completed"


def test_another_agents_run_is_named_in_the_step(server: RunServer, http: httpx.Client) -> None:
    url = run_of(http, "serve connected_agent helper {}; say $1")
    server.clock.advance(0.05)
    assert http.get(url).json()["status"] == "in_progress"
    server.clock.advance(1)
    steps = http.get(f"{url}/steps", params={"order": "asc"}).json()["data"]
    child = steps[0]["step_details"]["tool_calls"][0]["connected_agent"]

    assert child["output"] == "helper ran"
    assert [child[name].split("_")[0] for name in ("run_id", "thread_id", "assistant_id")] == [
        "run",
        "thread",
        "asst",
    ]


async def test_our_provider_speaks_as_azure_wants_it(server: RunServer) -> None:
    from pydantic import SecretStr

    connection = ProfileConnection("azure", server.base_url, api_key=SecretStr("token"))
    provider = AssistantsProvider(connection, dialect=Spoken())
    request = RunRequest(
        assistant_id="asst_demo", messages=(MessageInput(content="call add {}"),), include=("a", "b")
    )
    thread = await provider.create_thread(request, run_key="k")
    assert isinstance(thread, Yes)
    run = await provider.create_run(thread.value, request, run_key="k")
    assert isinstance(run, Yes)
    server.clock.advance(1)
    shown = await provider.get_run(thread.value, run.value.id)
    assert isinstance(shown, Yes)
    outputs = [ToolOutput(call.id, "3") for call in shown.value.required_calls]
    assert isinstance(await provider.submit_tool_outputs(thread.value, run.value.id, outputs), Yes)
    server.clock.advance(1)
    assert isinstance(await provider.list_steps(thread.value, run.value.id, include=("a", "b")), Yes)
    assert isinstance(await provider.list_messages(thread.value, run.value.id), Yes)
    await provider.close()
