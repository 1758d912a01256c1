"""Lost answers, silence, refusals and lies of a run server, over real HTTP, and what the effect log says of them."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.integration.faults.api import SILENCE_SECONDS, Api
from threadrun.testing.faults import Fault, Moment, RetryAfter, RuleCount


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
