"""Answers that were true a while ago, and truths that are taken back."""

from __future__ import annotations

import httpx

from tests.integration.faults.api import HEADERS, Api
from threadrun.testing import ManualClock, RunServer
from threadrun.testing.faults import Fault


def test_a_stale_read_shows_what_was(api: Api) -> None:
    api.break_(Fault.STALE_READ, seconds=3)
    clock = api.server.clock
    thread = api.thread("call a; say $1")
    clock.advance(5)
    created = api.http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"}).json()
    url = f"/threads/{thread}/runs/{created['id']}"

    assert api.http.get(url).status_code == 404
    assert api.get(f"/threads/{thread}/runs")["data"] == []
    assert api.server.log[-1].fault == "stale_read"
    clock.advance(2.99)
    assert api.http.get(url).status_code == 404
    # It was picked up at once and waits since 0.05 s after its creation.
    clock.advance(0.02)
    assert api.get(url)["status"] == "in_progress"
    assert api.get(url + "/steps")["data"] == []
    clock.advance(0.1)
    waiting = api.get(url)
    assert waiting["status"] == "requires_action"

    (call,) = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]}
    assert api.http.post(f"{url}/submit_tool_outputs", json=outputs).json()["status"] == "queued"
    clock.advance(1)
    assert api.get(url) == waiting
    (step,) = api.get(url + "/steps")["data"]
    assert step["step_details"]["tool_calls"][0]["function"]["output"] is None
    messages = api.get(f"/threads/{thread}/messages")["data"]
    assert [message["role"] for message in messages] == ["user"]
    clock.advance(3)
    assert api.get(url)["status"] == "completed"
    assert len(api.get(f"/threads/{thread}/messages")["data"]) == 2


def test_a_stale_read_finds_no_thread_that_is_younger(api: Api) -> None:
    api.break_(Fault.STALE_READ, seconds=3)
    thread = api.thread("hi")

    assert api.http.get(f"/threads/{thread}/runs").status_code == 404
    api.server.clock.advance(3)
    assert api.http.get(f"/threads/{thread}/runs").status_code == 200


def test_the_old_required_action_is_shown_for_a_while_after_a_submit(api: Api) -> None:
    api.break_(Fault.STALE_REQUIRED_ACTION, seconds=2)
    url, outputs = api.waiting()
    waiting = api.get(url)
    api.http.post(f"{url}/submit_tool_outputs", json=outputs)

    assert api.get(url) == waiting
    assert api.get(url.rpartition("/")[0])["data"] == [waiting]
    again = api.http.post(f"{url}/submit_tool_outputs", json=outputs)
    assert "do not accept tool outputs" in again.json()["error"]["message"]
    api.server.clock.advance(1.9)
    assert api.get(url) == waiting
    assert api.server.log[-1].fault == "stale_required_action"
    api.server.clock.advance(0.1)
    assert api.get(url)["status"] == "completed"


def test_runs_from_before_the_plan_can_be_stale_too() -> None:
    with (
        RunServer(clock=ManualClock()) as server,
        httpx.Client(base_url=server.base_url, headers=HEADERS, trust_env=False) as http,
    ):
        api = Api(http, server)
        url, outputs = api.waiting()
        api.break_(Fault.STALE_REQUIRED_ACTION, seconds=2)
        api.http.post(f"{url}/submit_tool_outputs", json=outputs)

        assert api.get(url)["status"] == "requires_action"


def test_a_cancelled_run_regresses_to_what_it_was_about_to_do(api: Api) -> None:
    api.break_(Fault.REGRESSION, seconds=5)
    url = api.run("queue 1; call a; say $1")
    clock, seen = api.server.clock, []
    assert api.http.post(f"{url}/cancel").json()["status"] == "cancelling"
    assert api.server.log[-1].fault == "regression"
    clock.advance(1)
    seen.append(api.get(url)["status"])
    clock.advance(5)
    waiting = api.get(url)
    seen.append(waiting["status"])
    (call,) = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]}
    assert api.http.post(f"{url}/submit_tool_outputs", json=outputs).status_code == 200
    clock.advance(5)
    ended = api.get(url)

    assert [*seen, ended["status"]] == ["cancelled", "requires_action", "completed"]
    assert ended["cancelled_at"] is None
    told = [status for _, status in api.server.transitions(url.rpartition("/")[2])]
    assert told[:4] == ["queued", "cancelling", "cancelled", "requires_action"]
    assert told[-1] == "completed"


def test_a_waiting_run_that_was_cancelled_regresses_to_waiting(api: Api) -> None:
    api.break_(Fault.REGRESSION, seconds=5)
    url, outputs = api.waiting()
    before = api.get(url)
    api.http.post(f"{url}/cancel")
    api.server.clock.advance(1)
    assert api.get(url)["status"] == "cancelled"
    api.server.clock.advance(5)

    assert api.get(url) == before
    assert api.http.post(f"{url}/submit_tool_outputs", json=outputs).status_code == 200


def test_a_regression_frees_the_thread_meanwhile_and_blocks_it_again(api: Api) -> None:
    api.break_(Fault.REGRESSION, seconds=5)
    url, _ = api.waiting()
    runs = url.rpartition("/")[0]
    api.http.post(f"{url}/cancel")
    api.server.clock.advance(1)
    api.get(runs)
    message = {"role": "user", "content": "hello"}
    assert api.http.post(runs.replace("/runs", "/messages"), json=message).status_code == 200
    api.server.clock.advance(5)

    assert api.http.post(runs, json={"assistant_id": "asst_demo"}).status_code == 400


def test_a_refused_cancel_does_not_regress(api: Api) -> None:
    url = api.run("say done")
    api.server.clock.advance(1)
    api.break_(Fault.REGRESSION)
    assert api.http.post(f"{url}/cancel").status_code == 400

    assert (api.told().effect, api.told().fault) == ("refused", None)
