"""Which answers a rule of the fault plan hits, and how a plan is set."""

from __future__ import annotations

import time
from threading import Thread

import httpx
import pytest
from openai import AsyncOpenAI

from tests.integration.faults.api import HEADERS, SILENCE_SECONDS, Api
from threadrun.testing import FaultPlan, FaultRule, RunServer, RunServerControl, ServerOptions
from threadrun.testing.faults import Fault, Moment, RuleCount


def test_a_rule_finds_its_run_by_the_key_in_body_run_or_thread(api: Api) -> None:
    plan = FaultPlan([FaultRule(fault=Fault.SERVER_ERROR, run_key="mine", when=Moment.BEFORE)])

    def statuses(key: str) -> list[int]:
        api.server.faults = None
        thread = api.thread("think 50", metadata={"threadrun_key": key})
        create = {"assistant_id": "asst_demo", "metadata": {"threadrun_key": key}}
        url = f"/threads/{thread}/runs"
        run = api.http.post(url, json=create).json()["id"]
        api.server.faults = plan
        asked = [
            api.http.post("/threads", json={"metadata": {"threadrun_key": key}}),
            api.http.post(url, json=create),
            api.http.get(f"{url}/{run}"),
            api.http.get(url),
            api.http.get(f"{url}/{run}/steps"),
            api.http.get(f"/threads/{thread}/messages"),
            api.http.post(f"{url}/{run}/submit_tool_outputs", json={"tool_outputs": []}),
            api.http.post(f"{url}/{run}/cancel"),
        ]
        return [reply.status_code for reply in asked]

    assert statuses("mine") == [503] * 8
    assert statuses("other") == [200, 400, 200, 200, 200, 200, 400, 200]
    assert plan.counts() == [RuleCount(8, 8)]


def test_a_body_that_is_no_json_has_no_run_key(api: Api) -> None:
    api.break_(Fault.SERVER_ERROR, run_key="mine")

    assert api.http.post("/threads", content=b"{").status_code == 400


def test_what_is_no_operation_of_the_plan_goes_on(api: Api) -> None:
    api.break_(Fault.CONNECTION_CLOSED)

    assert api.http.get("/assistants").status_code == 200
    assert api.http.get("/nowhere").status_code == 404
    assert api.http.delete("/threads/t/runs").status_code == 405


@pytest.mark.filterwarnings(
    # OpenAI retired its own Assistants API, and its client says so; the wire lives on at other servers.
    "ignore:The Assistants API is deprecated:DeprecationWarning",
    "ignore:deprecated:DeprecationWarning",
)
async def test_an_empty_plan_changes_nothing_for_the_openai_client() -> None:
    with RunServer(ServerOptions(think_seconds=0.01), faults=FaultPlan()) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
            threads = client.beta.threads
            thread = await threads.create(messages=[{"role": "user", "content": "call a; say It is $1"}])
            run = await threads.runs.create_and_poll(
                thread_id=thread.id, assistant_id="asst_demo", poll_interval_ms=5
            )
            assert run.required_action is not None
            (call,) = run.required_action.submit_tool_outputs.tool_calls
            ended = await threads.runs.submit_tool_outputs_and_poll(
                run_id=run.id,
                thread_id=thread.id,
                tool_outputs=[{"tool_call_id": call.id, "output": "4"}],
                poll_interval_ms=5,
            )
            steps = [step.type async for step in threads.runs.steps.list(run.id, thread_id=thread.id)]

    assert (ended.status, steps) == ("completed", ["message_creation", "tool_calls"])
    assert {effect.fault for effect in server.log} == {None}


def test_faults_are_set_over_http_and_taken_away(api: Api) -> None:
    url = f"{api.server.url}/_control/faults"
    assert httpx.get(url).json() == {"plan": None, "counts": []}
    plan = {"seed": 3, "rules": [{"fault": "server_error", "operation": "create_thread", "status": 502}]}
    assert httpx.post(url, json=plan).status_code == 200
    assert api.http.post("/threads", json={}).status_code == 502
    told = httpx.get(url).json()
    assert told["counts"] == [{"matched": 1, "injected": 1}]
    assert told["plan"]["rules"][0]["status"] == 502
    assert httpx.delete(url).json()["plan"] is None
    assert api.http.post("/threads", json={}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'{"rules": [{"fault": "rain"}]}'])
def test_what_is_no_plan_is_refused_and_changes_nothing(api: Api, body: bytes) -> None:
    plan = api.break_(Fault.DRIP)
    reply = httpx.post(f"{api.server.url}/_control/faults", content=body)

    assert reply.status_code == 400
    assert "no fault plan" in reply.json()["error"]["message"]
    assert api.server.faults is plan


def test_another_process_breaks_the_server_by_its_control(api: Api) -> None:
    control = RunServerControl(api.server.base_url)
    control.set_faults(FaultPlan([FaultRule(fault=Fault.CONNECTION_CLOSED, operation="create_thread")]))
    with pytest.raises(httpx.RemoteProtocolError):
        api.http.post("/threads", json={})
    assert control.fault_counts() == [RuleCount(1, 1)]
    assert control.effects()[-1].fault == "connection_closed"
    control.set_faults(None)
    assert control.fault_counts() == []
    assert api.http.post("/threads", json={}).status_code == 200
    control.close()


def test_a_server_can_start_broken_and_stops_though_a_client_waits() -> None:
    plan = FaultPlan([FaultRule(fault=Fault.SILENCE)])
    with RunServer(faults=plan) as server, httpx.Client(base_url=server.base_url, headers=HEADERS) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/threads", json={}, timeout=SILENCE_SECONDS)
        failures: list[Exception] = []

        def wait() -> None:
            try:
                http.post("/threads", json={}, timeout=10)
            except httpx.HTTPError as error:
                failures.append(error)

        waiting = Thread(target=wait)
        waiting.start()
        while plan.counts()[0].injected < 2:
            time.sleep(0.005)
        began = time.monotonic()
        server.stop()
        waiting.join()

    assert time.monotonic() - began < 3
    assert [type(failure) for failure in failures] == [httpx.RemoteProtocolError]
