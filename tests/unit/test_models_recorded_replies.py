"""Every recorded reply is read by its model and given back unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from threadrun.models import (
    ActivitiesDetails,
    AzureFunctionToolCall,
    CodeInterpreterToolCall,
    FileSearchToolCall,
    FunctionToolCall,
    McpToolDefinition,
    Message,
    Page,
    Run,
    RunStep,
    ServiceToolCall,
    StepDetails,
    WireInvalid,
    WireModel,
)

FIXTURES = Path(__file__).parent.parent / "fixtures"
RUNS = sorted((FIXTURES / "runs").glob("*.json"))
TRANSCRIPTS = sorted((FIXTURES / "transcripts").glob("*.json"))
NOT_MODELLED = {"azure_request_tool_approvals.json", "fakeai_error_detail.json"}


def model_of(name: str, value: dict[str, Any]) -> type[WireModel] | None:
    if name in NOT_MODELLED or "error" in value:
        return None
    if value.get("object") == "list":
        return Page[Run] if "run_list" in name else Page[RunStep]
    if value.get("type") == "activities":
        return StepDetails
    return RunStep if value["object"] == "thread.run.step" else Run


def recorded(name: str) -> bytes:
    return (FIXTURES / "runs" / name).read_bytes()


def exactly(value: Any) -> str:
    """Tell 1 from 1.0 and True, and one order of keys from another."""
    return json.dumps(value)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_recorded_reply_comes_back_unchanged_from_text_and_from_an_object(path: Path) -> None:
    value = json.loads(path.read_bytes())
    model = model_of(path.name, value)
    if model is None:
        with pytest.raises(WireInvalid):
            Run.from_wire(path.read_bytes())
        return
    assert exactly(model.from_wire(path.read_bytes()).to_wire()) == exactly(value)
    assert exactly(model.from_wire(value).to_wire()) == exactly(value)
    assert exactly(json.loads(model.from_wire(value).to_wire_json())) == exactly(value)
    assert model.from_wire(path.read_bytes()).to_wire_json() == path.read_text()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_every_run_step_and_message_of_a_recorded_session_comes_back_unchanged(path: Path) -> None:
    read = 0
    for entry in json.loads(path.read_bytes())["Entries"]:
        body = entry["ResponseBody"]
        model: type[WireModel] | None = Run if body["object"] == "thread.run" else None
        if body["object"] == "list":
            model = Page[RunStep] if "/steps" in entry["RequestUri"] else Page[Message]
        if model is None:
            continue
        assert exactly(model.from_wire(json.dumps(body)).to_wire()) == exactly(body)
        read += 1
    assert read > 10


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_parts_of_a_recorded_reply_come_back_unchanged_on_their_own(path: Path) -> None:
    value = json.loads(path.read_bytes())
    if model_of(path.name, value) is not Run:
        return
    run = Run.from_wire(path.read_bytes())
    assert [tool.to_wire() for tool in run.tools] == value.get("tools", [])
    for part in ("usage", "last_error", "incomplete_details", "truncation_strategy"):
        read = getattr(run, part)
        assert (read.to_wire() if read else None) == value.get(part)
    if run.required_action:
        assert run.required_action.to_wire() == value["required_action"]


def test_the_recorded_fields_are_where_a_user_looks_for_them() -> None:
    run = Run.from_wire(recorded("dotnet_run_requires_action_1.json"))
    (call,) = run.required_calls
    assert (run.status, run.terminal, run.expires_at, run.parallel_tool_calls) == (
        "requires_action",
        False,
        1761862279,
        True,
    )
    assert (call.id, call.type) == ("call_b9LqseCoPpctoIx71RVNZ1nB", "function")
    assert call.name == "get_favorite_food_for_day_of_week"
    assert call.arguments == '{"day_of_week":"Thursday"}'
    assert run.required_actions == run.required_calls


def test_a_recorded_mcp_run_has_its_approval_and_its_tool_resources() -> None:
    run = Run.from_wire(recorded("azure_run_requires_action_submit_tool_approval_mcp.json"))
    (call,) = run.required_calls
    assert (call.type, call.name, call.arguments) == ("mcp", "fetch_azure_rest_api_docs", "{}")
    assert call.payload == {
        "arguments": "{}",
        "name": "fetch_azure_rest_api_docs",
        "server_label": "github",
    }
    assert isinstance(run.tools[0], McpToolDefinition)
    assert run.tools[0].server_url == "https://gitmcp.io/Azure/azure-rest-api-specs"
    assert run.tool_resources["mcp"][0]["require_approval"] == "always"


def test_recorded_steps_have_their_own_kind_of_tool_call() -> None:
    search = RunStep.from_wire(recorded("dotnet_run_step_completed_1.json")).tool_calls[0]
    assert isinstance(search, FileSearchToolCall)
    assert search.file_search is not None
    assert search.file_search.results[0].score == 0.6800102176172463
    assert search.file_search.results[0].content[0]["text"].startswith("The favorite food")

    code = RunStep.from_wire(recorded("otel_run_step_completed_1.json")).tool_calls[0]
    assert isinstance(code, CodeInterpreterToolCall)
    assert code.code_interpreter is not None
    assert code.code_interpreter.input.startswith("import sympy")

    message, function = Page[RunStep].from_wire(recorded("azure_steps_list_azure_function.json")).data
    assert message.message_id == "msg_8jo09kSzCkrXc4apMD5f9SaE"
    assert isinstance(function.tool_calls[0], AzureFunctionToolCall)
    assert function.tool_calls[0].azure_function is not None
    assert function.tool_calls[0].azure_function.output == "Bar"

    bing = Page[RunStep].from_wire(recorded("azure_steps_list_bing_grounding.json")).data[1].tool_calls[0]
    assert isinstance(bing, ServiceToolCall)
    assert bing.payload["requesturl"].startswith("https://api.bing.microsoft.com")

    own = Page[RunStep].from_wire(recorded("oaa_steps_list.json")).data[0].tool_calls
    assert [call.function.output for call in own if isinstance(call, FunctionToolCall) and call.function] == [
        "1",
        "2",
    ]


def test_recorded_activities_tell_the_tools_of_an_mcp_server() -> None:
    details = StepDetails.from_wire(recorded("azure_step_details_activities_mcp_list_tools.json"))
    assert isinstance(details, ActivitiesDetails)
    assert set(details.listed_tools["github"]) == {"fetch_azure_rest_api_docs", "search_azure_rest_api_docs"}
