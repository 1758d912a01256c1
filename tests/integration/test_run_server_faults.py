"""Every fault that a run server can be told to have, over real HTTP, and what the effect log says of it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from threadrun.testing import (
    Effect,
    FaultPlan,
    FaultRule,
    ManualClock,
    RunServer,
    RunServerControl,
    ServerOptions,
)
from threadrun.testing.faults import Fault, Moment, RetryAfter, RuleCount
from threadrun.testing.objects import JsonObject

HEADERS = {"Authorization": "Bearer any", "OpenAI-Beta": "assistants=v2"}
SILENCE_SECONDS = 0.1


@pytest.fixture(scope="module")
def shared() -> Iterator[RunServer]:
    with RunServer(clock=ManualClock()) as running:
        yield running


@pytest.fixture
def server(shared: RunServer) -> Iterator[RunServer]:
    yield shared
    shared.faults = None


@pytest.fixture
def api(server: RunServer) -> Iterator[Api]:
    with httpx.Client(base_url=server.base_url, headers=HEADERS, trust_env=False) as http:
        yield Api(http, server)


class Api:
    """Ask the server as a client of its wire does, and look at what that did."""

    def __init__(self, http: httpx.Client, server: RunServer) -> None:
        self.http = http
        self.server = server
        self._seen = len(server.log)

    def thread(self, text: str, **body: Any) -> str:
        reply = self.http.post("/threads", json={"messages": [{"role": "user", "content": text}], **body})
        return str(reply.json()["id"])

    def run(self, text: str, **body: Any) -> str:
        """Create a run on a thread of its own; its URL."""
        thread = self.thread(text)
        reply = self.http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo", **body})
        return f"/threads/{thread}/runs/{reply.json()['id']}"

    def waiting(self) -> tuple[str, JsonObject]:
        """Create a run that requires an action; its URL, and the outputs for it."""
        url = self.run("call a; say $1")
        self.server.clock.advance(1)
        (call,) = self.get(url)["required_action"]["submit_tool_outputs"]["tool_calls"]
        return url, {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]}

    def get(self, url: str, **query: str) -> JsonObject:
        reply = self.http.get(url, params=query)
        assert reply.status_code == 200, reply.text
        body: JsonObject = reply.json()
        return body

    def break_(self, fault: Fault, **rule: Any) -> FaultPlan:
        plan = FaultPlan([FaultRule(fault=fault, **rule)])
        self.server.faults = plan
        self._seen = len(self.server.log)
        return plan

    def told(self) -> Effect:
        """The one effect since the server was broken."""
        (effect,) = self.server.log[self._seen :]
        return effect


def test_an_answer_lost_after_the_effect_leaves_the_effect(api: Api) -> None:
    thread = api.thread("think 50")
    plan = api.break_(Fault.CONNECTION_CLOSED, operation="create_run", nth=1)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without"):
        api.http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo"})

    effect = api.told()
    assert (effect.effect, effect.status, effect.fault) == ("run.created", 0, "connection_closed")
    assert [run["id"] for run in api.get(f"/threads/{thread}/runs")["data"]] == [effect.run_id]
    assert plan.counts() == [RuleCount(matched=1, injected=1)]


def test_a_connection_closed_before_the_effect_prevents_it(api: Api) -> None:
    thread = api.thread("think 50")
    api.break_(Fault.CONNECTION_CLOSED, operation="create_run", when=Moment.BEFORE)
    create = {"assistant_id": "asst_demo", "metadata": {"threadrun_key": "K"}}
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without"):
        api.http.post(f"/threads/{thread}/runs", json=create)

    effect = api.told()
    assert (effect.effect, effect.status, effect.fault) == ("prevented", 0, "connection_closed")
    assert (effect.thread_id, effect.run_id, effect.threadrun_key) == (thread, None, "K")
    assert api.get(f"/threads/{thread}/runs")["data"] == []


@pytest.mark.parametrize(("when", "effect"), [(Moment.BEFORE, "prevented"), (Moment.AFTER, "thread.created")])
def test_silence_keeps_the_connection_open(api: Api, when: Moment, effect: str) -> None:
    api.break_(Fault.SILENCE, when=when)
    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/threads", json={}, timeout=SILENCE_SECONDS)

    assert (api.told().effect, api.told().fault, api.told().status) == (effect, "silence", 0)


@pytest.mark.parametrize(
    ("form", "header", "value"),
    [
        (RetryAfter.SECONDS, "retry-after", "2.5"),
        (RetryAfter.RETRY_AFTER_MS, "retry-after-ms", "2500"),
        (RetryAfter.X_MS_RETRY_AFTER_MS, "x-ms-retry-after-ms", "2500"),
    ],
)
def test_too_many_requests_carry_a_hint(api: Api, form: RetryAfter, header: str, value: str) -> None:
    api.break_(Fault.RATE_LIMITED, retry_after=form, seconds=2.5)
    reply = api.http.post("/threads", json={})

    assert (reply.status_code, reply.headers[header]) == (429, value)
    assert sum("retry-after" in name for name in reply.headers) == 1
    assert reply.json()["error"]["code"] == "rate_limit_exceeded"
    assert (api.told().effect, api.told().status, api.told().fault) == ("prevented", 429, "rate_limited")


def test_a_hint_may_be_a_date(api: Api) -> None:
    api.break_(Fault.RATE_LIMITED, retry_after=RetryAfter.HTTP_DATE, seconds=30)
    headers = api.http.get("/threads/t/runs").headers

    ahead = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    assert 28 <= ahead.total_seconds() <= 32


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (RetryAfter.TEXT, "Try again in 2 seconds."),
        (RetryAfter.NONE, "You've exceeded the rate limit, please slow down and try again later."),
    ],
)
def test_a_hint_may_be_in_the_text_alone_or_nowhere(api: Api, form: RetryAfter, message: str) -> None:
    api.break_(Fault.RATE_LIMITED, retry_after=form)
    reply = api.http.post("/threads", json={})

    assert (reply.status_code, reply.json()["error"]["message"]) == (429, message)
    assert not any("retry-after" in name for name in reply.headers)


@pytest.mark.parametrize(("when", "effect"), [(Moment.BEFORE, "prevented"), (Moment.AFTER, "thread.created")])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_come_before_and_after_the_effect(
    api: Api, status: int, when: Moment, effect: str
) -> None:
    api.break_(Fault.SERVER_ERROR, status=status, when=when)
    reply = api.http.post("/threads", json={})

    assert (reply.status_code, reply.json()["error"]["type"]) == (status, "server_error")
    assert (api.told().effect, api.told().status, api.told().fault) == (effect, status, "server_error")


@pytest.mark.parametrize(("status", "title"), [(200, "Sign in"), (502, "502 Bad Gateway")])
def test_a_web_page_comes_instead(api: Api, status: int, title: str) -> None:
    api.break_(Fault.HTML, status=status)
    reply = api.http.post("/threads", json={})

    assert (reply.status_code, reply.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f"<title>{title}</title>" in reply.text
    assert (api.told().effect, api.told().fault) == ("thread.created", "html")


def test_a_body_breaks_off_in_the_middle(api: Api) -> None:
    api.break_(Fault.CUT_BODY)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.http.post("/threads", json={})

    assert (api.told().effect, api.told().status, api.told().fault) == ("thread.created", 200, "cut_body")


def test_truncated_json_comes_as_if_it_were_all(api: Api) -> None:
    api.break_(Fault.TRUNCATED_JSON)
    reply = api.http.post("/threads", json={})

    assert reply.content.startswith(b'{"id":"thread_')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        reply.json()
    assert api.told().effect == "thread.created"


def test_wrong_json_and_wrong_types_come_with_200(api: Api) -> None:
    url = api.run("think 50")
    api.break_(Fault.WRONG_JSON)
    assert api.http.get(url).json() == []

    api.break_(Fault.WRONG_TYPES)
    run = api.get(url)
    assert (run["id"], run["created_at"], run["metadata"], run["usage"]) == (7, "seven", True, True)
    assert api.get(url + "/steps")["data"] is True


def test_another_id_comes_back_and_is_always_the_same(api: Api) -> None:
    url = api.run("think 50")
    run_id = url.rpartition("/")[2]
    api.break_(Fault.WRONG_ID)
    wrong = api.get(url)["id"]

    assert wrong != run_id
    assert wrong.startswith("run_")
    assert api.get(url)["id"] == wrong
    assert [run["id"] for run in api.get(url.rpartition("/")[0])["data"]] == [wrong]
    assert api.http.get(f"{url.rpartition('/')[0]}/{wrong}").status_code == 404
    assert {(effect.run_id, effect.fault) for effect in api.server.effects("run.read")[-2:]} == {
        (run_id, "wrong_id")
    }


def test_metadata_does_not_come_back_though_it_is_kept(api: Api) -> None:
    url = api.run("think 50", metadata={"threadrun_key": "K"})
    api.break_(Fault.METADATA_NOT_ECHOED)

    assert api.get(url)["metadata"] == {}
    assert api.told().threadrun_key == "K"
    assert [run["metadata"] for run in api.get(url.rpartition("/")[0])["data"]] == [{}]
    api.server.faults = None
    assert api.get(url)["metadata"] == {"threadrun_key": "K"}


def test_a_status_that_no_schema_knows_comes(api: Api) -> None:
    url = api.run("think 50")
    api.break_(Fault.UNKNOWN_STATUS)

    assert api.get(url)["status"] == "pondering"
    assert api.server.run(url.rpartition("/")[2])["status"] == "in_progress"


def test_a_fault_of_an_object_leaves_a_refusal_as_it_is(api: Api) -> None:
    api.break_(Fault.WRONG_ID)
    reply = api.http.get("/threads/thread_none/runs")

    assert (reply.status_code, reply.json()["error"]["message"]) == (
        404,
        "No thread found with id 'thread_none'.",
    )
    assert (api.told().effect, api.told().fault) == ("refused", None)


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


def test_a_gzip_bomb_is_the_right_answer_behind_blanks(api: Api) -> None:
    url = api.run("think 50")
    expected = api.http.get(url).content
    api.break_(Fault.GZIP_BOMB, size_bytes=3_000_000)
    with api.http.stream("GET", url) as reply:
        assert (reply.status_code, reply.headers["content-encoding"]) == (200, "gzip")
        packed = b"".join(reply.iter_raw())
    body = zlib.decompress(packed, wbits=31)

    assert len(packed) < 50_000
    assert len(body) == 3_000_000 + len(expected)
    assert body.strip() == expected
    with api.http.stream("GET", url) as reply:
        assert zlib.decompress(b"".join(reply.iter_raw()), wbits=31) == body


def test_an_endless_body_goes_on_until_the_client_has_gone(api: Api) -> None:
    api.break_(Fault.ENDLESS_BODY, operation="create_thread")
    with api.http.stream("POST", "/threads", json={}) as reply:
        assert "content-length" not in reply.headers
        got = 0
        for chunk in reply.iter_raw():
            assert not chunk.strip()
            got += len(chunk)
            if got > 5_000_000:
                break

    assert api.told().effect == "thread.created"
    assert api.http.get("/assistants").status_code == 200


def test_an_endless_body_ends_all_the_same(api: Api) -> None:
    api.break_(Fault.ENDLESS_BODY, size_bytes=200_000)
    reply = api.http.post("/threads", json={})

    assert len(reply.content) > 190_000
    assert reply.json()["object"] == "thread"


def test_a_body_drips_and_arrives_whole(api: Api) -> None:
    api.break_(Fault.DRIP, bytes_per_second=800)
    began = time.monotonic()
    reply = api.http.post("/threads", json={})
    took = time.monotonic() - began

    assert reply.json()["object"] == "thread"
    assert took > 0.8 * len(reply.content) / 800


def test_answers_whose_clients_left_do_not_hold_the_server_up() -> None:
    rules = [
        FaultRule(fault=Fault.SILENCE, nth=1),
        FaultRule(fault=Fault.DRIP, bytes_per_second=1, nth=2),
        FaultRule(fault=Fault.ENDLESS_BODY, nth=3),
    ]
    with RunServer(faults=FaultPlan(rules)) as server:
        with httpx.Client(base_url=server.base_url, headers=HEADERS, trust_env=False) as http:
            for _ in range(2):
                with pytest.raises(httpx.ReadTimeout):
                    http.post("/threads", json={}, timeout=SILENCE_SECONDS)
            with http.stream("POST", "/threads", json={}) as reply:
                assert next(reply.iter_raw())
            assert http.post("/threads", json={}).status_code == 200
        began = time.monotonic()
        server.stop()

    # A server that still sent would be given a whole second to end.
    assert time.monotonic() - began < 0.9


def test_headers_can_be_far_too_big(api: Api) -> None:
    api.break_(Fault.BIG_HEADERS, size_bytes=20_000)

    assert len(api.http.post("/threads", json={}).headers["x-large"]) == 20_000


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
