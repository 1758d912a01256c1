"""Every command over a real Redis: what it shows, what it hides, and the code it ends with."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.cli_scene import ANSWER, SECRET, Scene
from threadrun.cli import ExitCode
from threadrun.status import Outcome

ROOT = Path(__file__).parents[2]


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


def test_who_waits_for_a_run_that_nobody_carries_is_told_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadrun.cli.wait.PATIENCE_SECONDS", 0.05)
    scene.enqueue("order-7")

    told = scene.cli("wait", "order-7", "--timeout", "0.1")
    assert told.code == ExitCode.TIMEOUT
    assert told.err.count("no living worker serves profile default: start a worker") == 1


def test_wait_waits_until_the_run_is_final(scene: Scene) -> None:
    scene.polled("order-7")
    ending = threading.Thread(target=scene.finish_once_watched, args=("order-7",))
    ending.start()
    told = scene.cli("wait", "order-7", "--timeout", "20")
    ending.join()

    assert told.code == ExitCode.OK
    assert "15" in told.out


# cancel, replay


def test_cancel_wishes_each_run_once_and_tells_which_are_unknown(scene: Scene) -> None:
    scene.finished("done")
    scene.enqueue("open")
    told = scene.cli("cancel", "open", "nobody", "done", "-o", "json")

    assert told.code == ExitCode.NOT_FOUND
    assert told.json == {"runs": [{"key": "open", "wished": True}, {"key": "done", "wished": False}]}
    assert scene.client.get("open").cancel_requested_at is not None
    assert "was wished cancelled before" in scene.cli("cancel", "open").out
    assert "is final already" in scene.cli("cancel", "done").out


def test_replay_enqueues_the_old_request_again(scene: Scene) -> None:
    scene.finished("old")
    assert scene.cli("replay", "old", "--key", "new").out == "new\n"

    assert scene.client.get("new").request == scene.client.get("old").request
    assert "replay of    old" in scene.cli("show", "new").out
    assert scene.cli("replay", "nobody").code == ExitCode.NOT_FOUND


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
    scene.wait_for_the_command_line()
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
