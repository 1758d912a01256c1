"""The run server as others meet it: as a process, over its control paths, through pytest, after an outage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from threadrun.testing import ManualClock, RunServer, RunServerControl, ServerOptions

KEY = "sk-very-secret"
HEADERS = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "assistants=v2"}
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "threadrun.testing", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            line = json.loads(child.stdout.readline())
            assert line["pid"] == child.pid
            yield child, line["base_url"]
        finally:
            child.kill()


def client_of(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, headers=HEADERS)


def new_run(http: httpx.Client, text: str, **members: object) -> tuple[str, str]:
    messages = [{"role": "user", "content": text}]
    thread = http.post("/threads", json={"messages": messages}).json()["id"]
    run = http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo", **members}).json()["id"]
    return thread, run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(number: signal.Signals) -> None:
    with process() as (child, base_url):
        assert base_url.startswith("http://127.0.0.1:")
        assert base_url.endswith("/v1")
        child.send_signal(number)

        assert child.wait(PATIENCE_SECONDS) == 0


def test_the_process_ends_with_its_parent() -> None:
    with process("--exit-with-parent") as (child, _):
        assert child.stdin is not None
        child.stdin.close()

        assert child.wait(PATIENCE_SECONDS) == 0


def test_a_process_obeys_its_options_and_logs_effects_to_a_file(tmp_path: Path) -> None:
    log = tmp_path / "effects.jsonl"
    options = ["--manual-clock", "--expire-seconds", "30", "--think-seconds", "5", "--api-key", KEY]
    with process(*options, "--effect-log", str(log)) as (_, base_url), client_of(base_url) as http:
        assert http.get("/assistants", headers={"Authorization": "Bearer other"}).status_code == 401
        thread, run = new_run(http, "call a", metadata={"threadrun_key": "K"})
        url = f"/threads/{thread}/runs/{run}"
        http.post("../_control/clock", json={"advance_seconds": 4})
        assert http.get(url).json()["status"] == "in_progress"
        http.post("../_control/clock", json={"advance_seconds": 2})
        assert http.get(url).json()["status"] == "requires_action"
        http.post("../_control/clock", json={"advance_seconds": 24})
        assert http.get(url, headers={"X-Client-Request-Id": "mine"}).json()["status"] == "expired"
        written = log.read_text()

    effects = [json.loads(line) for line in written.splitlines()]
    assert [effect["effect"] for effect in effects] == [
        "refused",
        "thread.created",
        "run.created",
        "run.read",
        "run.read",
        "run.read",
    ]
    assert [effect["number"] for effect in effects] == [1, 2, 3, 4, 5, 6]
    assert (effects[0]["code"], effects[0]["status"]) == ("wrong_key", 401)
    last = effects[-1]
    assert (last["thread_id"], last["run_id"], last["run_status"]) == (thread, run, "expired")
    assert (last["threadrun_key"], last["client_request_id"]) == ("K", "mine")
    assert KEY not in written
    assert "call a" not in written


def test_the_log_can_be_followed_over_http() -> None:
    with RunServer() as server, client_of(server.base_url) as http:
        new_run(http, "think 50")
        log = f"{server.url}/_control/log"

        first = http.get(f"{log}?limit=1").json()
        assert [effect["effect"] for effect in first["data"]] == ["thread.created"]
        assert first["has_more"] is True
        rest = http.get(f"{log}?after={first['data'][-1]['number']}").json()
        assert [effect["effect"] for effect in rest["data"]] == ["run.created"]
        assert rest["has_more"] is False
        assert http.get(f"{log}?after=2").json() == {"data": [], "has_more": False, "last": 2}


def test_its_requests_are_counted_without_reading_the_log() -> None:
    with RunServer() as server, client_of(server.base_url) as http:
        control = RunServerControl(server.base_url)
        before = control.requests()
        new_run(http, "say hi")

        assert (before, control.requests()) == (0, 2)
        control.close()


def test_a_runs_every_status_is_told_though_nobody_polled() -> None:
    clock = ManualClock()
    with RunServer(ServerOptions(think_seconds=2), clock=clock) as server, client_of(server.base_url) as http:
        _, run = new_run(http, "say hi")
        start = clock.now()
        clock.advance(9)

        told = http.get(f"{server.url}/_control/runs/{run}").json()
        assert told["run"]["status"] == "completed"
        expected = [[start, "queued"], [start, "in_progress"], [start + 2, "completed"]]
        assert told["transitions"] == expected
        assert [list(transition) for transition in server.transitions(run)] == expected
        assert http.get(f"{server.url}/_control/runs/run_1").status_code == 404
        assert server.effects("run.read") == []


@pytest.mark.parametrize("body", [b"{}", b"[]", b"x", b'{"advance_seconds": -1}'])
def test_a_clock_that_cannot_be_turned_so_says_how(body: bytes) -> None:
    with RunServer(clock=ManualClock()) as server:
        clock = f"{server.url}/_control/clock"
        before = httpx.get(clock).json()
        reply = httpx.post(clock, content=body)

        assert reply.status_code == 400
        assert "advance_seconds" in reply.json()["error"]["message"]
        assert httpx.get(clock).json() == before


def test_what_the_server_knows_survives_an_outage() -> None:
    server = RunServer().start()
    address = server.base_url
    with client_of(address) as http:
        thread, run = new_run(http, "say hi")
        # The client still holds its connection, so the server's side of it lingers on the port.
        server.stop()

        with pytest.raises(httpx.ConnectError):
            http.get("/assistants")

    with server, client_of(address) as http:
        assert server.base_url == address
        assert http.get(f"/threads/{thread}/runs/{run}").status_code == 200
        assert [effect.effect for effect in server.log] == ["thread.created", "run.created", "run.read"]


def test_a_test_can_look_inside_without_leaving_an_effect() -> None:
    with RunServer(ServerOptions(think_seconds=0)) as server, client_of(server.base_url) as http:
        thread, run = new_run(http, "say hi", metadata={"threadrun_key": "K"})

        assert server.run(run)["status"] == "completed"
        assert [known["id"] for known in server.runs()] == [run]
        assert [step["type"] for step in server.steps(run)] == ["message_creation"]
        assert [message["role"] for message in server.messages(thread)] == ["user", "assistant"]
        (created,) = server.effects("run.created")
        assert (created.run_id, created.threadrun_key, created.run_status) == (run, "K", "queued")
        assert len(server.log) == 2
        with pytest.raises(LookupError, match="thread_1"):
            server.messages("thread_1")


def test_what_is_old_is_forgotten_but_never_an_active_run() -> None:
    clock = ManualClock()
    options = ServerOptions(forget_after_seconds=100)
    with RunServer(options, clock=clock) as server, client_of(server.base_url) as http:
        new_run(http, "say hi")
        _, active = new_run(http, "think 500")
        clock.advance(150)
        assert http.get("/assistants").status_code == 200

        assert [run["id"] for run in server.runs()] == [active]
        assert [effect.effect for effect in server.log] == ["assistants.listed"]
        assert httpx.get(f"{server.url}/_control/log?after=4").json()["data"][0]["number"] == 5


def test_a_taken_port_is_reported_to_the_caller() -> None:
    with RunServer() as server:
        port = int(server.url.rpartition(":")[2])

        with pytest.raises(OSError, match="in use"):
            RunServer(port=port).start()


def test_a_running_server_is_not_started_twice() -> None:
    with RunServer() as server, pytest.raises(RuntimeError, match="running already"):
        server.start()


USERS_TESTS = """
import sys
import urllib.request

from threadrun.testing import ManualClock


def test_nothing_heavy_is_loaded_for_tests_that_need_no_server():
    assert not {"uvicorn", "starlette"} & set(sys.modules)


def test_a_server_answers(run_server):
    with urllib.request.urlopen(run_server.url + "/_control/clock") as reply:
        assert reply.status == 200


def test_a_server_with_options_and_a_turned_clock(start_run_server):
    server = start_run_server(think_seconds=3, clock=ManualClock())
    before = server.clock.now()
    assert server.clock.advance(5) == before + 5
"""


def test_users_get_the_fixtures_and_pay_only_when_they_use_them(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    plugins = [] if _plugin_is_installed() else ["-p", "threadrun.testing.fixtures"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            *plugins,
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def _plugin_is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "threadrun.testing.fixtures" for point in entry_points(group="pytest11"))
