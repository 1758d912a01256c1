"""The command line shows what is stored: one run, its events, many runs."""

from __future__ import annotations

import json
import threading

from tests.integration.cli_scene import ANSWER, SECRET, Scene
from threadrun.cli import ExitCode
from threadrun.status import Outcome

PRIVATE = (SECRET, ANSWER, "what the tool gave", '"a":1')


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
        "run_id", "created_at", "deadline_at", "finished_at", "elapsed_seconds", "quarantined_at",
        "cancel_requested_at", "polls", "requests", "usage", "missing", "unconfirmed", "incomplete_reason",
        "last_error_code", "last_answer", "waits_for", "timeline", "tool_calls", "transitions",
    ]  # fmt: skip
    assert list(document["timeline"][0]) == [
        "label", "stage", "is_call", "open", "offset_seconds", "seconds", "remarks",
    ]  # fmt: skip
    assert list(document["tool_calls"][0]) == [
        "round", "index", "tool_call_id", "type", "tool", "state", "attempts", "kind", "worker", "claimed_at",
        "settled_at", "deaths", "quarantined",
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
    ending = threading.Thread(target=scene.finish_once_watched, args=("order-7",))
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
