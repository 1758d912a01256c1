"""The run server's bodies have the members of recorded ones, and checks refuse what the wire refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from threadrun.testing.clock import ManualClock
from threadrun.testing.dialect import Dialect
from threadrun.testing.exchange import ApiReply, ApiRequest, Operation
from threadrun.testing.options import ServerOptions
from threadrun.testing.runs import create_thread_and_run, list_runs, list_steps, read_run, submit_tool_outputs
from threadrun.testing.threads import create_assistant, list_messages
from threadrun.testing.world import World

RECORDED = Path(__file__).parent.parent / "fixtures"
TRANSCRIPT = RECORDED / "transcripts" / "openai-dotnet_FunctionToolsWork.json"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / "runs" / f"{name}.json").read_text())


def transcript(number: int) -> Any:
    return json.loads(TRANSCRIPT.read_text())["Entries"][number]["ResponseBody"]


def shape(value: Any) -> Any:
    """The members of a body and of all that is in it, without the values."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else None


class Wire:
    """Perform operations on a world with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.world = World(ServerOptions(), ManualClock(), Dialect())
        self.ids: dict[str, str] = {}

    def ask(self, operation: Operation, body: Any = None) -> ApiReply:
        request = ApiRequest("", "", self.ids, {}, body=b"" if body is None else json.dumps(body).encode())
        reply = operation(self.world, request)
        if reply.run is not None:
            self.ids = {"thread_id": reply.run.thread.id, "run_id": reply.run.id}
        self.world.clock.advance(1)
        return reply

    def body(self, operation: Operation, body: Any = None) -> Any:
        answered = self.ask(operation, body).body
        return json.loads(answered) if isinstance(answered, bytes) else answered


@pytest.fixture
def wire() -> Wire:
    return Wire()


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {}},
    },
}


def start(wire: Wire, script: str, **members: Any) -> Any:
    thread = {"messages": [{"role": "user", "content": script}]}
    return wire.body(create_thread_and_run, {"assistant_id": "asst_demo", "thread": thread, **members})


def test_a_created_assistant_has_the_recorded_members(wire: Wire) -> None:
    assistant = wire.body(create_assistant, {"model": "gpt-4o", "tools": [WEATHER]})

    expected = transcript(0)
    assert list(assistant) == [name for name in assistant if name in expected]
    assert set(assistant) == set(expected)
    assert assistant["tools"][0]["function"]["strict"] is False


def test_a_created_run_has_the_recorded_members_and_defaults(wire: Wire) -> None:
    run = start(wire, "say hi")

    expected = recorded("dotnet_run_queued_1")
    assert set(run) == set(expected)
    same = {"id", "created_at", "assistant_id", "thread_id", "expires_at", "model", "instructions", "tools"}
    assert {n: v for n, v in run.items() if n not in same} == {
        n: v for n, v in expected.items() if n not in same
    }
    assert run["expires_at"] - run["created_at"] == expected["expires_at"] - expected["created_at"] == 600


def test_a_waiting_run_has_the_recorded_members(wire: Wire) -> None:
    start(wire, 'call get_weather {"city": "Oslo"}')
    run = wire.body(read_run)

    expected = recorded("dotnet_run_requires_action_1")
    assert shape(run["required_action"]) == shape(expected["required_action"])
    assert set(run) == set(expected)
    assert run["status"] == "requires_action"


def test_an_ended_run_has_the_recorded_members(wire: Wire) -> None:
    start(wire, "say hi")
    run = wire.body(read_run)

    expected = recorded("dotnet_run_completed_1")
    assert set(run) == set(expected)
    assert set(run["usage"]) == set(expected["usage"])
    assert run["expires_at"] is None


def test_an_incomplete_run_carries_completed_at_and_a_reason(wire: Wire) -> None:
    start(wire, "end incomplete max_prompt_tokens")
    run = wire.body(read_run)

    expected = recorded("ruby_run_incomplete_1")
    assert run["incomplete_details"] == expected["incomplete_details"]
    assert run["completed_at"] is not None
    assert run["failed_at"] is None


def test_steps_have_the_recorded_members(wire: Wire) -> None:
    start(wire, "say hi")
    listed = wire.body(list_steps)

    expected = recorded("ruby_list_run_step_list_1")
    assert set(listed) == set(expected)
    assert set(listed["data"][0]) == set(expected["data"][0])
    assert shape(listed["data"][0]["step_details"]) == shape(expected["data"][0]["step_details"])


def test_messages_have_the_recorded_members(wire: Wire) -> None:
    start(wire, "say hi")
    listed = wire.body(list_messages)

    expected = transcript(-1)
    assert shape(listed) == shape(expected)
    assert [message["role"] for message in listed["data"]] == ["assistant", "user"]


def test_an_empty_page_has_null_cursors(wire: Wire) -> None:
    start(wire, "think 50")

    assert wire.body(list_steps) == recorded("azure_list_empty_page")


def test_a_resumed_run_started_again(wire: Wire) -> None:
    created = start(wire, "call a")
    waiting = wire.body(read_run)
    (call,) = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    queued = wire.body(submit_tool_outputs, {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]})
    ended = wire.body(read_run)

    assert created["started_at"] is None
    assert queued["started_at"] == waiting["started_at"]
    assert ended["started_at"] > waiting["started_at"]


def test_a_runs_own_settings_override_its_assistants(wire: Wire) -> None:
    assistant = wire.body(
        create_assistant,
        {"model": "gpt-4o", "tools": [WEATHER], "temperature": 0.5, "instructions": "Be brief."},
    )
    taken = start(wire, "say hi", assistant_id=assistant["id"])
    overridden = start(
        wire, "say hi", assistant_id=assistant["id"], tools=[], temperature=0, model="o3", tool_choice="none"
    )

    assert (taken["model"], taken["temperature"], taken["instructions"]) == ("gpt-4o", 0.5, "Be brief.")
    assert taken["tools"] == assistant["tools"]
    assert (overridden["model"], overridden["temperature"], overridden["tools"]) == ("o3", 0, [])
    assert overridden["tool_choice"] == "none"


def test_a_listed_run_is_rendered_as_a_read_one(wire: Wire) -> None:
    start(wire, "call a")
    listed = wire.body(list_runs)

    assert listed["data"] == [wire.body(read_run)]
