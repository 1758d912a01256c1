"""What the run server refuses, it refuses with OpenAI's own status, text, param and code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from threadrun.testing import ManualClock, RunServer, ServerOptions

HEADERS = {"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v2"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunServer]:
    with RunServer(ServerOptions(api_key="sk-right"), clock=ManualClock()) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: RunServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers=HEADERS) as client:
        yield client


def new_thread(http: httpx.Client, text: str = "call a and b") -> str:
    reply = http.post("/threads", json={"messages": [{"role": "user", "content": text}]})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def new_run(http: httpx.Client, text: str) -> str:
    thread = new_thread(http, text)
    reply = http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"})
    assert reply.status_code == 200, reply.text
    return f"/threads/{thread}/runs/{reply.json()['id']}"


def assert_refused(reply: httpx.Response, message: str, *, status: int = 400, **members: str | None) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **members}
    assert reply.json() == {"error": error}
    assert reply.status_code == status


def test_a_request_without_a_key_is_refused(http: httpx.Client) -> None:
    reply = http.get("/assistants", headers={"Authorization": ""})

    assert reply.status_code == 401
    assert reply.json()["error"]["message"].startswith("You didn't provide an API key.")


def test_a_wrong_key_is_refused_and_not_repeated(http: httpx.Client) -> None:
    reply = http.get("/assistants", headers={"Authorization": "Bearer sk-wrong"})

    assert_refused(reply, "Incorrect API key provided: ***.", status=401, code="invalid_api_key")


def test_the_beta_header_is_demanded(http: httpx.Client) -> None:
    reply = http.get("/assistants", headers={"OpenAI-Beta": "assistants=v1"})

    assert_refused(
        reply,
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting "
        "the header 'OpenAI-Beta: assistants=v2'.",
        code="invalid_beta",
    )


def test_unknown_paths_and_methods_are_refused(http: httpx.Client) -> None:
    assert_refused(http.get("/models"), "Invalid URL (GET /v1/models)", status=404)
    assert_refused(
        http.delete("/threads/t/runs"), "Invalid method for URL (DELETE /v1/threads/t/runs)", status=405
    )


def test_unknown_ids_are_refused(http: httpx.Client) -> None:
    run = new_run(http, "call a")
    thread = run.split("/")[2]

    assert_refused(http.get("/threads/thread_1"), "No thread found with id 'thread_1'.", status=404)
    assert_refused(
        http.get("/threads/thread_1/runs/run_1"), "No thread found with id 'thread_1'.", status=404
    )
    assert_refused(http.get(f"/threads/{thread}/runs/run_1"), "No run found with id 'run_1'.", status=404)
    assert_refused(http.get(f"{run}/steps/step_123"), "No run step found with id 'step_123'.", status=404)
    assert_refused(
        http.get(f"/threads/{thread}/messages/msg_1"), "No message found with id 'msg_1'.", status=404
    )
    assert_refused(http.get(f"{run}/steps?after=step_9"), "No run step found with id 'step_9'.", status=404)
    assert_refused(http.get("/assistants/asst_1"), "No assistant found with id 'asst_1'.", status=404)
    reply = http.post(f"/threads/{new_thread(http)}/runs", json={"assistant_id": "asst_1"})
    assert_refused(reply, "No assistant found with id 'asst_1'.", status=404)


def test_a_second_active_run_is_refused_with_the_first_ones_id(http: httpx.Client) -> None:
    run = new_run(http, "call a")
    _, _, thread, _, run_id = run.split("/")

    again = http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"})
    assert_refused(again, f"Thread {thread} already has an active run {run_id}.")
    message = http.post(f"/threads/{thread}/messages", json={"role": "user", "content": "wait"})
    assert_refused(message, f"Can't add messages to {thread} while a run {run_id} is active.")


def test_an_ended_run_frees_its_thread(http: httpx.Client, server: RunServer) -> None:
    run = new_run(http, "say done")
    thread = run.split("/")[2]
    server.clock.advance(1)

    message = http.post(f"/threads/{thread}/messages", json={"role": "user", "content": "say more"})
    assert message.status_code == 200
    assert http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"}).status_code == 200


def test_a_run_of_nothing_is_refused_and_leaves_nothing(http: httpx.Client, server: RunServer) -> None:
    known = len(server.runs())
    text = "Run creation requires a Thread with a user message or an assistant with instructions."
    thread = http.post("/threads").json()["id"]

    bare = {"assistant_id": "asst_demo"}
    assert_refused(http.post(f"/threads/{thread}/runs", json=bare), text, code="invalid_thread")
    assert_refused(http.post("/threads/runs", json=bare), text, code="invalid_thread")
    assert len(server.runs()) == known
    instructed = http.post(f"/threads/{thread}/runs", json={**bare, "instructions": "Greet."})
    assert instructed.status_code == 200


def test_outputs_are_taken_all_at_once_and_only_when_asked_for(http: httpx.Client, server: RunServer) -> None:
    run = new_run(http, "queue 5; call a and b")
    output = {"tool_call_id": "call_x", "output": "1"}
    early = http.post(f"{run}/submit_tool_outputs", json={"tool_outputs": [output]})
    assert_refused(early, 'Runs in status "queued" do not accept tool outputs.')

    server.clock.advance(6)
    calls = http.get(run).json()["required_action"]["submit_tool_outputs"]["tool_calls"]
    first, second = (call["id"] for call in calls)
    partial = http.post(
        f"{run}/submit_tool_outputs", json={"tool_outputs": [{"tool_call_id": first, "output": "1"}]}
    )
    assert_refused(partial, f"Expected tool outputs for call_ids ['{first}', '{second}'], got ['{first}']")
    unknown = http.post(f"{run}/submit_tool_outputs", json={"tool_outputs": [output]})
    assert_refused(unknown, f"Expected tool outputs for call_ids ['{first}', '{second}'], got ['call_x']")
    twice = [{"tool_call_id": call, "output": "1"} for call in (first, second, first)]
    doubled = http.post(f"{run}/submit_tool_outputs", json={"tool_outputs": twice})
    assert_refused(
        doubled,
        f"Expected tool outputs for call_ids ['{first}', '{second}'], got ['{first}', '{second}', '{first}']",
    )

    both = {"tool_outputs": [{"tool_call_id": call, "output": "1"} for call in (first, second)]}
    assert http.post(f"{run}/submit_tool_outputs", json=both).json()["status"] == "queued"
    server.clock.advance(5)
    again = http.post(f"{run}/submit_tool_outputs", json=both)
    assert_refused(again, 'Runs in status "in_progress" do not accept tool outputs.')


def test_a_cancel_is_refused_once_it_is_under_way_or_over(http: httpx.Client, server: RunServer) -> None:
    run = new_run(http, "call a")
    assert http.post(f"{run}/cancel").json()["status"] == "cancelling"
    assert_refused(http.post(f"{run}/cancel"), "Cannot cancel run with status 'cancelling'.")

    server.clock.advance(1)
    assert_refused(http.post(f"{run}/cancel"), "Cannot cancel run with status 'cancelled'.")


def test_a_run_under_way_cannot_be_modified(http: httpx.Client) -> None:
    run = new_run(http, "think 50")
    http.get(run)

    assert_refused(
        http.post(run, json={"metadata": {"a": "b"}}), "Cannot update run with status 'in_progress'."
    )


@pytest.mark.parametrize(
    ("member", "message", "param", "code"),
    [
        ({"assistant_id": 7},
         "Invalid type for 'assistant_id': expected a string, but got an integer instead.",
         "assistant_id", "invalid_type"),
        ({"assistant_id": None},
         "Invalid type for 'assistant_id': expected a string, but got null instead.",
         "assistant_id", "invalid_type"),
        ({"colour": "red"}, "Unknown parameter: 'colour'.", "colour", "unknown_parameter"),
        ({"metadata": {"modified": True}},
         "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
         "metadata.modified", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}},
         "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an "
         "object with 17 properties instead.", "metadata", "object_above_max_properties"),
        ({"metadata": {"a": "x" * 513}},
         "Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string "
         "with length 513 instead.", "metadata.a", "string_above_max_length"),
        ({"metadata": {"k" * 65: "x"}},
         "Invalid 'metadata': string too long. Expected a string with maximum length 64, but got a string "
         "with length 65 instead.", "metadata", "string_above_max_length"),
        ({"temperature": 2.5},
         "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
         "temperature", "decimal_above_max_value"),
        ({"top_p": -1},
         "Invalid 'top_p': decimal below minimum value. Expected a value >= 0, but got -1 instead.",
         "top_p", "decimal_below_min_value"),
        ({"max_prompt_tokens": 255},
         "Invalid 'max_prompt_tokens': integer below minimum value. Expected a value >= 256, but got 255 "
         "instead.", "max_prompt_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 300.5},
         "Invalid type for 'max_completion_tokens': expected an integer, but got a decimal instead.",
         "max_completion_tokens", "invalid_type"),
        ({"reasoning_effort": "some"},
         "Invalid value: 'some'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', "
         "and 'max'.", "reasoning_effort", "invalid_value"),
        ({"parallel_tool_calls": "no"},
         "Invalid type for 'parallel_tool_calls': expected a boolean, but got a string instead.",
         "parallel_tool_calls", "invalid_type"),
        ({"truncation_strategy": {"type": "last_messages", "last_messages": 0}},
         "Invalid 'truncation_strategy.last_messages': integer below minimum value. Expected a value >= 1, "
         "but got 0 instead.", "truncation_strategy.last_messages", "integer_below_min_value"),
        ({"tool_choice": {"type": "function"}}, "Missing required parameter: 'tool_choice.function'.",
         "tool_choice.function", "missing_required_parameter"),
        ({"response_format": "json"}, "Invalid value: 'json'. Supported values are: 'auto'.",
         "response_format", "invalid_value"),
        ({"instructions": "x" * 256_001},
         "Invalid 'instructions': string too long. Expected a string with maximum length 256000, but got a "
         "string with length 256001 instead.", "instructions", "string_above_max_length"),
        ({"tools": [{"type": "code_interpreter"}] * 21},
         "Invalid 'tools': array too long. Expected an array with maximum length 20, but got an array with "
         "length 21 instead.", "tools", "array_above_max_length"),
        ({"tools": [{"type": "function", "function": {"name": "a.b"}}]},
         "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches "
         "the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].function.name", "invalid_value"),
        ({"tools": [{"type": "retrieval"}]},
         "Invalid value: 'retrieval'. Supported values are: 'code_interpreter', 'file_search', and "
         "'function'.", "tools[0].type", "invalid_value"),
        ({"additional_messages": [{"role": "system", "content": "x"}]},
         "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
         "additional_messages[0].role", "invalid_value"),
        ({"additional_messages": [{"role": "user"}]},
         "Missing required parameter: 'additional_messages[0].content'.",
         "additional_messages[0].content", "missing_required_parameter"),
        ({"stream": True},
         "Unsupported value: 'stream' does not support true on this server; poll the run instead.",
         "stream", "unsupported_value"),
    ],
)  # fmt: skip
def test_a_run_is_refused_for_a_bad_parameter(
    http: httpx.Client, member: dict[str, Any], message: str, param: str, code: str
) -> None:
    reply = http.post("/threads/thread_1/runs", json={"assistant_id": "asst_demo", **member})

    assert_refused(reply, message, param=param, code=code)


def test_a_run_needs_an_assistant(http: httpx.Client) -> None:
    reply = http.post("/threads/thread_1/runs", json={})

    assert_refused(
        reply,
        "Missing required parameter: 'assistant_id'.",
        param="assistant_id",
        code="missing_required_parameter",
    )


def test_a_new_threads_run_takes_no_additional_messages(http: httpx.Client) -> None:
    reply = http.post("/threads/runs", json={"assistant_id": "asst_demo", "additional_messages": []})

    assert_refused(
        reply,
        "Unknown parameter: 'additional_messages'.",
        param="additional_messages",
        code="unknown_parameter",
    )


def test_an_assistant_takes_128_tools(http: httpx.Client) -> None:
    tools = [{"type": "function", "function": {"name": f"tool_{n}"}} for n in range(129)]

    assert http.post("/assistants", json={"model": "m", "tools": tools[:128]}).status_code == 200
    reply = http.post("/assistants", json={"model": "m", "tools": tools})
    assert reply.json()["error"]["code"] == "array_above_max_length"


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, body: bytes) -> None:
    reply = http.post("/threads", content=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")


@pytest.mark.parametrize(
    ("query", "message", "param", "code"),
    [
        ("limit=0", "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
         "limit", "integer_below_min_value"),
        ("limit=101",
         "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
         "limit", "integer_above_max_value"),
        ("limit=ten", "Invalid type for 'limit': expected an integer, but got a string instead.",
         "limit", "invalid_type"),
        ("order=up", "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.",
         "order", "invalid_value"),
    ],
)  # fmt: skip
def test_a_list_is_refused_for_a_bad_query(
    http: httpx.Client, query: str, message: str, param: str, code: str
) -> None:
    assert_refused(http.get(f"/assistants?{query}"), message, param=param, code=code)


def test_any_assistant_is_accepted_if_asked_for() -> None:
    options = ServerOptions(accept_any_assistant=True)
    with RunServer(options) as server, httpx.Client(base_url=server.base_url, headers=HEADERS) as http:
        reply = http.post(f"/threads/{new_thread(http)}/runs", json={"assistant_id": "asst_elsewhere"})

    assert reply.status_code == 200
    assert reply.json()["assistant_id"] == "asst_elsewhere"


def test_a_deleted_thread_takes_its_runs_with_it(http: httpx.Client, server: RunServer) -> None:
    run = new_run(http, "call a")
    _, _, thread, _, run_id = run.split("/")

    assert http.delete(f"/threads/{thread}").json() == {
        "id": thread,
        "object": "thread.deleted",
        "deleted": True,
    }

    assert_refused(http.get(run), f"No thread found with id '{thread}'.", status=404)
    with pytest.raises(LookupError, match=run_id):
        server.run(run_id)
