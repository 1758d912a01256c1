"""Runs at Azure's agent service, as the bundled run server speaks it: strict, with approvals and tools of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import HERE, ROOT
from tests.e2e.test_crashes import until
from threadrun.models import ConnectedAgentToolCall
from threadrun.testing import LocalStack

POLICY = {"docs/search": "always", "shop": "ask_budget", "*": "never"}


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    env = {
        "E2E_EFFECTS_FILE": str(tmp_path_factory.mktemp("azure") / "effects"),
        "THREADRUN_PROFILES__DEFAULT__DIALECT": "azure_agents",
        "THREADRUN_PROFILES__DEFAULT__MCP_APPROVALS": json.dumps(POLICY),
    }
    server = ["--dialect", "azure_agents", "--api-key", "local"]
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE], env=env, server_arguments=server) as stack:
        yield stack


def test_a_run_with_a_function_completes(azure: LocalStack) -> None:
    text = 'call add {"a": 1, "b": 2}; say It is $1.'
    record = azure.client.enqueue("asst_demo", messages=text, tools=["add"]).wait(30)
    assert (record.outcome, record.output_text) == ("completed", "It is 3.")


def test_the_profiles_policy_approves_denies_and_asks_a_tool(azure: LocalStack) -> None:
    calls = 'docs search {} and docs delete {} and shop buy {"price": 5} and shop buy {"price": 500}'
    text = f"mcp {calls}; say $1 $2 $3 $4"
    record = azure.client.enqueue("asst_demo", messages=text).wait(30)

    assert record.output_text == "approved denied approved denied"
    assert [(call.tool, call.kind, call.output) for call in record.tool_calls] == [
        ("search", "approved", "true"),
        ("delete", "denied", "false"),
        ("ask_budget", "ok", "true"),
        ("ask_budget", "ok", "false"),
    ]
    assert json.loads(record.tool_calls[2].arguments)["server_label"] == "shop"
    assert {call.type for call in record.tool_calls} == {"mcp"}
    assert {"tool.approved", "tool.denied"} <= {event.type for event in record.transitions}


def test_a_runs_own_policy_goes_before_the_profiles(azure: LocalStack) -> None:
    run = azure.client.enqueue("asst_demo", messages="mcp docs search {}; say $1", mcp_approvals="never")
    assert run.wait(30).output_text == "denied"


def test_an_approver_that_fails_approves_nothing(azure: LocalStack) -> None:
    text = "mcp docs search {}; say $1"
    record = azure.client.enqueue("asst_demo", messages=text, mcp_approvals="fail").wait(30)
    assert (record.output_text, record.tool_calls[0].kind) == ("denied", "invalid_arguments")


def test_headers_of_an_mcp_server_are_sent_with_its_approval_and_stand_in_no_log(azure: LocalStack) -> None:
    servers = {"mcp": [{"server_label": "docs", "headers": {"x-secret": "s3cr3t-of-docs"}}]}
    run = azure.client.enqueue("asst_demo", messages="mcp docs search {}; say $1", tool_resources=servers)
    assert run.wait(30).output_text == "approved"
    assert "s3cr3t-of-docs" not in azure.logs("runs") + azure.logs("tools")


def test_what_azure_runs_itself_is_waited_for_and_recorded_with_the_childs_ids(azure: LocalStack) -> None:
    text = 'serve azure_function foo {"q": 1}; serve connected_agent helper {}; say $1'
    record = azure.client.enqueue("asst_demo", messages=text).wait(30)

    assert (record.outcome, record.output_text, record.tool_calls) == ("completed", "helper ran", ())
    kinds = [call.type for step in record.steps for call in step.tool_calls]
    assert kinds == ["azure_function", "connected_agent"]
    agent = record.steps[1].tool_calls[0]
    assert isinstance(agent, ConnectedAgentToolCall)
    assert agent.connected_agent is not None
    assert (agent.connected_agent.run_id or "").startswith("run_")
    assert (agent.connected_agent.thread_id or "").startswith("thread_")


def test_a_run_that_waits_for_an_approval_can_be_cancelled(azure: LocalStack) -> None:
    text = "mcp docs search {}; cancel_takes 0.1; say $1"
    run = azure.client.enqueue("asst_demo", messages=text, mcp_approvals="ask_slowly")
    until(run, lambda record: any(call.attempts for call in record.tool_calls))
    run.cancel()
    assert run.wait(30).outcome == "cancelled"
