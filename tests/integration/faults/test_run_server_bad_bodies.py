"""Replies whose bodies break off, lie, drip, or never end, and headers that are too big."""

from __future__ import annotations

import time
import zlib

import httpx
import pytest

from tests.integration.faults.api import HEADERS, SILENCE_SECONDS, Api
from threadrun.testing import FaultPlan, FaultRule, RunServer
from threadrun.testing.faults import Fault


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


def test_answers_whose_clients_left_do_not_hold_the_server_up(caplog: pytest.LogCaptureFixture) -> None:
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
        server.stop()

    # A server that still sent would be given a second to end, and then say that it was cancelled.
    assert caplog.messages == []


def test_headers_can_be_far_too_big(api: Api) -> None:
    api.break_(Fault.BIG_HEADERS, size_bytes=20_000)

    assert len(api.http.post("/threads", json={}).headers["x-large"]) == 20_000
