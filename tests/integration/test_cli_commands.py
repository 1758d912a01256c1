"""Every command over a real Redis: what it shows, what it hides, and the code it ends with."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_scene import ANSWER, SECRET, Scene
from threadrun.cli import ExitCode
from threadrun.status import Outcome

ROOT = Path(__file__).parents[2]
PRIVATE = (SECRET, ANSWER, "what the tool gave", '"a":1')


@pytest.fixture
def scene(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    made = Scene(redis_url, f"cli{uuid.uuid4().hex[:8]}:", capsys)
    monkeypatch.setenv("THREADRUN_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", made.prefix)
    monkeypatch.setenv("COLUMNS", "100")
    yield made
    made.redis.flushdb()
    made.redis.close()


def process(*arguments: str, **options: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "threadrun.cli", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


# enqueue


def test_enqueue_prints_the_key_alone(scene: Scene) -> None:
    told = scene.cli("enqueue", "asst_1", "-m", "hi", "--key", "order-7", "--metadata", "team=a=b")

    assert (told.code, told.out, told.err) == (ExitCode.OK, "order-7\n", "")
    assert scene.client.get("order-7").request.metadata == {"team": "a=b"}


def test_the_same_request_gives_the_same_run_and_another_one_a_conflict(scene: Scene) -> None:
    line = ("enqueue", "asst_1", "-m", "hi", "--key", "order-7")
    assert scene.cli(*line, "-o", "json").json == {"key": "order-7", "created": True}
    again = scene.cli(*line)

    assert (again.code, again.out) == (ExitCode.OK, "order-7\n")
    assert "before" in again.err
    assert scene.cli(*line, "-m", "more").code == ExitCode.CONFLICT


def test_a_request_comes_from_a_file_and_options_override_it(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    wish = {"assistant_id": "asst_1", "messages": "hi", "temperature": 0.5, "metadata": {"a": "1", "b": "2"}}
    file.write_text(json.dumps(wish | {"idempotency_key": "of-the-file"}))
    scene.cli(
        "enqueue", "asst_2", "--json", str(file), "--key", "mine", "--metadata", "b=3", "--deadline", "60"
    )
    request = scene.client.get("mine").request

    assert (request.assistant_id, request.temperature, request.deadline_seconds) == ("asst_2", 0.5, 60)
    assert request.metadata == {"a": "1", "b": "3"}


def test_a_request_comes_from_standard_input(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = b'{"assistant_id": "asst_1", "messages": "hi", "idempotency_key": "piped"}'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wish)))

    assert scene.cli("enqueue", "--json", "-").out == "piped\n"


def test_a_tool_must_be_served(scene: Scene) -> None:
    scene.workers()
    told = scene.cli("enqueue", "asst_1", "-m", "hi", "--tool", "nobody")

    assert told.code == ExitCode.USAGE
    assert "--tool: no worker serves nobody; served: add" in told.err
    assert scene.cli("enqueue", "asst_1", "-m", "hi", "--tool", "add").code == ExitCode.OK


def test_a_busy_thread_is_refused_on_wish(scene: Scene) -> None:
    scene.cli("enqueue", "asst_1", "--thread", "thread_1", "--key", "first")
    told = scene.cli("enqueue", "asst_1", "--thread", "thread_1", "--reject")

    assert told.code == ExitCode.CONFLICT
    assert "active run first" in told.err
    assert scene.cli("enqueue", "asst_1", "--thread", "thread_1").code == ExitCode.OK


def test_enqueue_and_wait_ends_as_the_run_ends(scene: Scene) -> None:
    scene.finished("order-7")
    line = ("enqueue", "asst_1", "-m", SECRET, "--key", "order-7", "--wait")
    told = scene.cli(*line)

    assert told.code == ExitCode.OK
    assert "completed" in told.out
    assert ANSWER not in told.out
    assert ANSWER in scene.cli(*line, "--content").out


# show


def test_show_draws_a_finished_run_and_hides_what_was_said(scene: Scene) -> None:
    scene.finished_with_a_tool("order-7")
    told = scene.cli("show", "order-7")
    first_words = [line.split()[0] for line in told.out.splitlines() if line.strip()]

    assert told.out.startswith("run order-7  completed in ")
    # Spells of less than a millisecond are left out, all but those in handlers.
    assert first_words.index("WHAT") < first_words.index("tools") == first_words.index("add") - 1
    assert "ok, attempt 1, tools@vm" in told.out
    assert "1 tool call, 12 + 3 = 15 tokens" in told.out
    assert [text for text in PRIVATE if text in told.out] == []


def test_show_gives_the_content_when_asked(scene: Scene) -> None:
    scene.finished_with_a_tool("order-7")

    assert [text for text in PRIVATE if text not in scene.cli("show", "order-7", "--content").out] == []
    document = scene.cli("show", "order-7", "--content", "-o", "json").json
    assert document["content"]["output_text"] == ANSWER
    assert document["tool_calls"][0]["output"] == "what the tool gave"


def test_the_document_of_a_run_keeps_its_field_names(scene: Scene) -> None:
    scene.finished_with_a_tool("order-7")
    told = scene.cli("-o", "json", "show", "order-7")
    document = told.json

    assert list(document) == [
        "key", "schema", "stage", "status", "outcome", "final", "profile", "assistant_id", "model", "thread_id",
        "run_id", "created_at", "deadline_at", "finished_at", "elapsed_seconds", "cancel_requested_at", "polls",
        "requests", "usage", "missing", "unconfirmed", "incomplete_reason", "last_error_code", "last_answer",
        "waits_for", "timeline", "tool_calls", "transitions",
    ]  # fmt: skip
    assert list(document["timeline"][0]) == [
        "label", "stage", "is_call", "open", "offset_seconds", "seconds", "remarks",
    ]  # fmt: skip
    assert list(document["tool_calls"][0]) == [
        "round", "index", "tool_call_id", "type", "tool", "state", "attempts", "kind", "worker", "claimed_at",
        "settled_at",
    ]  # fmt: skip
    assert list(document["transitions"][0]) == ["seq", "at", "type", "data"]
    assert document["finished_at"].endswith("Z")
    assert document["waits_for"] is None
    assert [text for text in PRIVATE if text in told.out] == []


def test_show_says_what_an_open_run_waits_for(scene: Scene) -> None:
    scene.workers()
    scene.in_tools("order-7", claim=True)
    told = scene.cli("show", "order-7")

    assert "now          handler add (attempt 1) runs on tools@vm, 0" in told.out
    assert "next look in" in told.out
    waits = scene.cli("show", "order-7", "-o", "json").json["waits_for"]
    assert waits["profile_served"]
    assert waits["calls"][0]["worker_alive"]


def test_show_says_who_holds_the_thread(scene: Scene) -> None:
    scene.workers()
    scene.enqueue("first", thread_id="thread_1")
    scene.enqueue("second", thread_id="thread_1")
    scene.enqueue("third", thread_id="thread_1")

    assert "waits for the thread held by run first (stage create) since" in scene.cli("show", "second").out
    assert ", 1 more before it" in scene.cli("show", "third").out


def test_show_says_when_nobody_serves(scene: Scene) -> None:
    scene.polled("order-7")

    assert "no living worker serves profile default" in scene.cli("show", "order-7").out


# list


def test_list_shows_the_newest_first_and_pages_on(scene: Scene) -> None:
    scene.finished("one")
    scene.finished("two", Outcome.FAILED)
    scene.enqueue("three")
    told = scene.cli("list", "--limit", "2")

    assert [line.split()[0] for line in told.out.splitlines()] == ["KEY", "three", "two"]
    assert "--after two" in told.err
    page = scene.cli("list", "--after", "two", "-o", "json").json
    assert ([run["key"] for run in page["runs"]], page["after"]) == (["one"], None)
    assert list(page["runs"][0]) == [
        "key", "stage", "status", "outcome", "profile", "thread_id", "run_id", "created_at", "finished_at",
    ]  # fmt: skip


def test_list_filters_by_status_thread_and_time(scene: Scene) -> None:
    scene.finished("one", Outcome.FAILED)
    scene.enqueue("two")

    def keys(*options: str) -> list[str]:
        return [run["key"] for run in scene.cli("list", *options, "-o", "json").json["runs"]]

    assert keys("--status", "failed") == ["one"]
    assert keys("--status", "none") == ["two"]
    assert keys("--thread", "thread_1") == ["one"]
    assert keys("--since", "1h") == ["two", "one"]
    assert keys("--since", "2099-01-01") == []


def test_an_empty_list_is_no_error(scene: Scene) -> None:
    told = scene.cli("list")

    assert (told.code, told.out, told.err) == (ExitCode.OK, "", "No runs.\n")


def test_long_keys_are_never_cut(scene: Scene) -> None:
    key = "k" * 128
    scene.enqueue(key)

    assert scene.cli("list").out.count("k") == 128


# wait


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (["good"], ExitCode.OK),
        (["good", "bad"], ExitCode.BAD),
        (["good", "bad", "open"], ExitCode.TIMEOUT),
        (["nobody", "open", "bad"], ExitCode.NOT_FOUND),
    ],
)
def test_wait_ends_with_the_worst_that_it_saw(scene: Scene, keys: list[str], code: ExitCode) -> None:
    scene.finished("good")
    scene.finished("bad", Outcome.EXPIRED)
    scene.enqueue("open")
    told = scene.cli("wait", *keys, "--timeout", "0", "-o", "json")

    assert told.code == code
    assert [run["key"] for run in told.json["runs"]] == keys
    assert [run.get("outcome") for run in told.json["runs"] if run["key"] == "bad"] in ([], ["expired"])


def test_wait_waits_until_the_run_is_final(scene: Scene) -> None:
    scene.polled("order-7")
    ending = threading.Thread(target=finish_once_watched, args=(scene, "order-7"))
    ending.start()
    told = scene.cli("wait", "order-7", "--timeout", "20")
    ending.join()

    assert told.code == ExitCode.OK
    assert "15" in told.out


def finish_once_watched(scene: Scene, key: str) -> None:
    """End a run as soon as the command line has connected and so has seen it open."""
    until = time.monotonic() + 20
    while not any(client["name"] == "threadrun-cli" for client in scene.redis.client_list()):
        assert time.monotonic() < until
    scene.finish(key)


# events


def test_events_are_one_a_line(scene: Scene) -> None:
    scene.finished("order-7")
    lines = scene.cli("events", "order-7").out.splitlines()

    assert [line.split()[2] for line in lines] == ["run.enqueued", "run.created", "run.ended", "run.finished"]
    assert "poll → finalize outcome=completed" in lines[2]
    assert [line.split()[0] for line in scene.cli("events", "order-7", "--after", "2").out.splitlines()] == [
        "3",
        "4",
    ]
    document = scene.cli("events", "order-7", "-o", "json").json
    assert [event["seq"] for event in document["events"]] == [1, 2, 3, 4]


def test_following_ends_when_the_run_is_final(scene: Scene) -> None:
    scene.polled("order-7")
    ending = threading.Thread(target=finish_once_watched, args=(scene, "order-7"))
    ending.start()
    told = scene.cli("events", "order-7", "--follow", "-o", "json")
    ending.join()
    found = [json.loads(line) for line in told.out.splitlines()]

    assert told.code == ExitCode.OK
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    assert found[-1]["type"] == "run.finished"


def test_not_following_ends_at_once(scene: Scene) -> None:
    scene.polled("order-7")

    assert scene.cli("events", "order-7").out.splitlines()[-1].split()[2] == "run.created"


# cancel, replay


def test_cancel_wishes_each_run_once_and_tells_which_are_unknown(scene: Scene) -> None:
    scene.finished("done")
    scene.enqueue("open")
    told = scene.cli("cancel", "open", "nobody", "done", "-o", "json")

    assert told.code == ExitCode.NOT_FOUND
    assert told.json == {"runs": [{"key": "open", "wished": True}, {"key": "done", "wished": False}]}
    assert scene.client.get("open").cancel_requested_at is not None
    assert "was wished before" in scene.cli("cancel", "open").out


def test_replay_enqueues_the_old_request_again(scene: Scene) -> None:
    scene.finished("old")
    assert scene.cli("replay", "old", "--key", "new").out == "new\n"

    assert scene.client.get("new").request == scene.client.get("old").request
    assert "replay of    old" in scene.cli("show", "new").out
    assert scene.cli("replay", "nobody").code == ExitCode.NOT_FOUND


# stats, tools, doctor


def test_stats_shows_agendas_workers_and_tools(scene: Scene) -> None:
    scene.workers()
    scene.enqueue("order-7")
    told = scene.cli("stats")
    document = scene.cli("stats", "-o", "json").json

    assert "default  create     1    1" in told.out
    assert "tools: add" in told.out
    assert list(document) == ["at", "agendas", "workers", "tools"]
    assert {worker["kind"]: worker["alive"] for worker in document["workers"]} == {
        "runs": True,
        "tools": True,
    }


def test_tools_are_listed_and_their_definitions_shown(scene: Scene) -> None:
    scene.workers()

    assert "add   tools       60        0  no          Add." in scene.cli("tools", "list").out
    assert scene.cli("tools", "list", "-o", "json").json["tools"][0]["queue"] == "tools"
    assert scene.cli("tools", "schema", "add").json["function"]["name"] == "add"
    missing = scene.cli("tools", "schema", "nobody")
    assert (missing.code, missing.out) == (ExitCode.NOT_FOUND, "")


def test_doctor_is_content_with_a_healthy_deployment(scene: Scene) -> None:
    scene.workers()
    scene.in_tools("order-7", claim=False)
    scene.enqueue("waiting", thread_id="thread_1")
    told = scene.cli("doctor")

    assert (told.code, told.err) == (ExitCode.OK, "")
    assert told.out.endswith("All is well.\n")


def test_doctor_finds_a_lost_run_and_its_remedy_mends_it(scene: Scene) -> None:
    scene.workers()
    scene.polled("order-7")
    scene.redis.zrem(scene.keys.agenda("poll", "default"), "order-7")
    told = scene.cli("doctor", "-o", "json")
    (finding,) = told.json["findings"]

    assert told.code == ExitCode.BAD
    assert (finding["severity"], finding["check"]) == ("error", "agenda.astray")
    remedy = finding["message"].rpartition("redis-cli ")[2].split()
    scene.redis.execute_command(*remedy)
    # Due since 1970 until a worker takes it, so it counts as stuck for that moment.
    assert {found["check"] for found in scene.cli("doctor", "-o", "json").json["findings"]} == {"runs.stuck"}
    scene.finish("order-7")
    assert scene.cli("doctor").code == ExitCode.OK


def test_doctor_finds_calls_that_nobody_serves(scene: Scene) -> None:
    scene.workers(tools=False)
    scene.in_tools("order-7", claim=False)
    checks = {finding["check"] for finding in scene.cli("doctor", "-o", "json").json["findings"]}

    assert checks == {"workers.no_tools", "tools.unserved"}


# all of them


@pytest.mark.parametrize("name", ["show", "wait", "events", "replay", "cancel"])
def test_a_key_that_stands_for_no_run_is_told(scene: Scene, name: str) -> None:
    told = scene.cli(name, "nobody")

    assert told.code == ExitCode.NOT_FOUND
    assert "No run under key 'nobody'" in told.err
    assert "Traceback" not in told.err


def test_a_record_of_a_newer_threadrun_is_told(scene: Scene) -> None:
    scene.enqueue("order-7")
    scene.redis.hset(scene.keys.run("order-7"), "schema", 99)

    assert scene.cli("show", "order-7").code == ExitCode.TOO_NEW


def test_options_after_the_command_win_over_those_before_it_and_over_the_environment(scene: Scene) -> None:
    scene.enqueue("order-7")

    assert scene.cli("--key-prefix", "other:", "list").err == "No runs.\n"
    assert "order-7" in scene.cli("--key-prefix", "other:", "list", "--key-prefix", scene.prefix).out
    assert scene.cli("-o", "json", "list", "-o", "table").out.startswith("KEY")


def test_nothing_but_text_goes_into_a_pipe(scene: Scene) -> None:
    scene.finished("order-7")
    for line in (["show", "order-7"], ["list"], ["stats"], ["doctor"], ["--help"]):
        told = scene.cli(*line)
        assert "\x1b" not in told.out + told.err


def test_control_c_ends_quietly(scene: Scene) -> None:
    scene.polled("order-7")
    waiting = process("wait", "order-7")
    until = time.monotonic() + 20
    while not any(client["name"] == "threadrun-cli" for client in scene.redis.client_list()):
        assert time.monotonic() < until
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=20)

    assert (waiting.returncode, out, err) == (ExitCode.INTERRUPTED, "", "")


def test_a_reader_that_goes_away_ends_quietly(scene: Scene) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    listing = subprocess.Popen(
        [sys.executable, "-m", "threadrun.cli", "list", "-o", "json"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    _, err = listing.communicate(timeout=20)

    assert (listing.returncode, err) == (ExitCode.PIPE_CLOSED, b"")
