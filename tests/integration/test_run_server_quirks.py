"""Each quirk of other servers, over real HTTP: what it changes, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from threadrun.testing import ManualClock, Quirk, RunServer, ServerOptions
from threadrun.testing.objects import JsonObject

HEADERS = {"Authorization": "Bearer any", "OpenAI-Beta": "assistants=v2"}


class Api:
    """Ask a server with quirks."""

    def __init__(self, http: httpx.Client, server: RunServer) -> None:
        self.http = http
        self.server = server

    def run(self, text: str, **body: Any) -> str:
        thread = self.http.post("/threads", json={"messages": [{"role": "user", "content": text}]}).json()
        url = f"/threads/{thread['id']}/runs"
        run = self.http.post(url, json={"assistant_id": "asst_demo", **body}).json()
        return f"{url}/{run['id']}"

    def later(self, url: str) -> JsonObject:
        self.server.clock.advance(1)
        return self.get(url)

    def get(self, url: str) -> JsonObject:
        reply = self.http.get(url)
        assert reply.status_code == 200, reply.text
        body: JsonObject = reply.json()
        return body

    def submit(self, url: str, **outputs: str) -> httpx.Response:
        given = [{"tool_call_id": call_id, "output": output} for call_id, output in outputs.items()]
        return self.http.post(f"{url}/submit_tool_outputs", json={"tool_outputs": given})


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    with ExitStack() as stack:

        def start(*quirks: Quirk) -> Api:
            options = ServerOptions(quirks=set(quirks))
            server = stack.enter_context(RunServer(options, clock=ManualClock()))
            http = httpx.Client(base_url=server.base_url, headers=HEADERS, trust_env=False)
            return Api(stack.enter_context(http), server)

        yield start


def calls_of(run: JsonObject) -> list[str]:
    return [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]


def test_what_shows_in_objects_shows_and_leaves_the_rest(start: Callable[..., Api]) -> None:
    shown = (
        Quirk.METADATA_NULL,
        Quirk.FLOAT_TIMES,
        Quirk.USAGE_NULL,
        Quirk.STEPS_WITHOUT_USAGE,
        Quirk.REQUIRED_ACTION_EMPTY_OBJECT,
    )
    quirky, plain = start(*shown), start()
    seen = []
    for api in (quirky, plain):
        url = api.run("call a; say $1", metadata={"threadrun_key": "K"})
        created = api.get(url)
        waiting = api.later(url)
        api.submit(url, **{calls_of(waiting)[0]: "x"})
        ended = api.later(url)
        steps = api.get(url + "/steps")["data"]
        messages = api.get(url.partition("/runs")[0] + "/messages")["data"]
        seen.append((created, waiting, ended, steps, messages))

    (created, waiting, ended, steps, messages), (_, _, plain_ended, plain_steps, _) = seen
    assert [run["metadata"] for run in (created, waiting, ended)] == [None] * 3
    assert created["required_action"] is None
    assert calls_of(waiting)
    assert ended["required_action"] == {}
    assert ended["usage"] is None
    assert plain_ended["usage"] is not None
    assert all("usage" not in step for step in steps)
    assert all(step["usage"] for step in plain_steps)
    timed = [ended, *steps, *messages]
    times = [value for item in timed for name, value in item.items() if name.endswith("_at")]
    assert {type(value) for value in times} == {float, type(None)}
    assert b'.0,"' in quirky.http.get("/assistants/asst_demo").content
    for quirky_body, plain_body in zip([ended, *steps], [plain_ended, *plain_steps], strict=True):
        differing = {name for name in plain_body if quirky_body.get(name, "none") != plain_body[name]}
        assert differing <= {"metadata", "usage", "required_action"}
    assert {effect.threadrun_key for effect in quirky.server.effects("run.read")} == {"K"}


def test_some_outputs_are_taken_and_the_others_still_required(start: Callable[..., Api]) -> None:
    api = start(Quirk.PARTIAL_OUTPUTS_ACCEPTED)
    url = api.run("call a and b and c; say $1 $2 $3")
    first, second, third = calls_of(api.later(url))

    reply = api.submit(url, **{second: "two"})
    assert (reply.status_code, reply.json()["status"]) == (200, "requires_action")
    assert calls_of(reply.json()) == [first, third]
    assert calls_of(api.later(url)) == [first, third]
    (step,) = api.get(url + "/steps")["data"]
    outputs = [call["function"]["output"] for call in step["step_details"]["tool_calls"]]
    assert (step["status"], outputs) == ("in_progress", [None, "two", None])
    assert api.submit(url, **{second: "again"}).status_code == 400
    assert api.submit(url).status_code == 400
    assert api.submit(url, call_none="x").status_code == 400
    assert api.submit(url, **{third: "three", first: "one"}).json()["status"] == "queued"
    api.later(url)
    (message,) = api.get(url.partition("/runs")[0] + "/messages?limit=1")["data"]
    assert message["content"][0]["text"]["value"] == "one two three"
    assert len(api.server.effects("outputs.accepted")) == 2


def test_an_unknown_call_is_answered_with_500(start: Callable[..., Api]) -> None:
    api = start(Quirk.UNKNOWN_CALL_500)
    url = api.run("call a and b")
    first, second = calls_of(api.later(url))

    reply = api.submit(url, **{first: "x", "call_none": "y"})
    assert (reply.status_code, reply.json()) == (500, {"code": "http_error", "message": "Invalid tool call"})
    assert api.submit(url, **{first: "x"}).status_code == 400
    assert api.submit(url, **{first: "x", second: "y"}).status_code == 200


def test_outputs_in_a_wrong_status_are_answered_with_404(start: Callable[..., Api]) -> None:
    api = start(Quirk.NOT_FOUND_INSTEAD_OF_WRONG_STATUS)
    url = api.run("think 50")

    reply = api.submit(url, call_1="x")
    assert (reply.status_code, reply.json()["message"]) == (404, "run_step not found or not in progress")


def test_a_cancel_is_refused_outside_in_progress(start: Callable[..., Api]) -> None:
    api = start(Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS)
    waiting, queued, working = api.run("call a"), api.run("queue 50; say hi"), api.run("think 50")
    assert api.later(waiting)["status"] == "requires_action"

    for url in (waiting, queued):
        reply = api.http.post(f"{url}/cancel")
        expected = f"run {url.rpartition('/')[2]} cannot cancel"
        assert (reply.status_code, reply.json()["message"]) == (400, expected)
    assert api.http.post(f"{working}/cancel").json()["status"] == "cancelling"
    assert api.http.post(f"{working}/cancel").status_code == 400


def test_a_cancel_of_an_ended_run_is_answered_with_200_and_ignored(start: Callable[..., Api]) -> None:
    api = start(Quirk.CANCEL_FINISHED_200)
    url = api.run("say done")
    ended = api.later(url)

    reply = api.http.post(f"{url}/cancel")
    assert (reply.status_code, reply.json()) == (200, ended)
    assert api.get(url)["status"] == "completed"
    assert api.server.effects("run.cancelled") == []
    assert len(api.server.effects("cancel.ignored")) == 1
    working = api.run("think 50")
    assert [api.http.post(f"{working}/cancel").status_code for _ in range(2)] == [200, 200]
    assert len(api.server.effects("run.cancelled")) == 1


def test_a_thread_and_its_run_cannot_be_created_together(start: Callable[..., Api]) -> None:
    api = start(Quirk.NO_THREAD_AND_RUN_CREATE)
    reply = api.http.post("/threads/runs", json={"assistant_id": "asst_demo"})

    assert reply.status_code == 404
    assert api.server.runs() == []


def test_a_busy_thread_takes_runs_and_messages(start: Callable[..., Api]) -> None:
    api = start(Quirk.NO_ACTIVE_RUN_LIMIT)
    first = api.run("call a; say $1")
    runs = first.rpartition("/")[0]
    api.later(first)

    message = {"role": "user", "content": "say second"}
    assert api.http.post(runs.replace("/runs", "/messages"), json=message).status_code == 200
    second = api.http.post(runs, json={"assistant_id": "asst_demo"})
    assert second.status_code == 200
    assert api.later(f"{runs}/{second.json()['id']}")["status"] == "completed"
    assert api.get(first)["status"] == "requires_action"


def test_the_list_of_messages_is_not_narrowed(start: Callable[..., Api]) -> None:
    api = start(Quirk.RUN_ID_FILTER_IGNORED)
    url = api.run("say hi")
    api.later(url)
    thread, _, run_id = url.replace("/runs/", " ").partition(" ")

    roles = [m["role"] for m in api.get(f"{thread}/messages?run_id={run_id}")["data"]]
    assert roles == ["assistant", "user"]


@pytest.mark.parametrize("quirks", [{"metadata_nul"}, "metadata_null"])
def test_an_unknown_quirk_is_refused(quirks: Any) -> None:
    with pytest.raises(ValueError, match="unknown quirks"):
        ServerOptions(quirks=quirks)


def test_a_process_takes_its_quirks_from_the_command_line() -> None:
    command = [sys.executable, "-m", "threadrun.testing", "--quirk", "metadata_nul"]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "metadata_null" in ended.stderr
