"""`threadrun purge`: what it says, what its proof counts, and the code it ends with."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.cli_scene import SECRET, Scene
from threadrun.cli import ExitCode


@pytest.fixture
def scene(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    made = Scene(redis_url, f"cli{uuid.uuid4().hex[:8]}:", capsys)
    monkeypatch.setenv("THREADRUN_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", made.prefix)
    yield made
    made.redis.flushdb()
    made.redis.close()


def test_a_purge_tells_what_went_and_that_nothing_is_left(scene: Scene) -> None:
    scene.finished_with_a_tool("order-7")

    told = scene.cli("purge", "--run", "order-7")

    assert told.code == ExitCode.OK
    assert told.out.startswith("1 run purged: 3 keys and ")
    assert "nothing left" in told.out
    assert "BGREWRITEAOF" in told.err
    assert SECRET not in told.out + told.err
    assert not list(scene.redis.scan_iter(f"{scene.prefix}*order-7*"))


def test_the_figures_of_the_proof_as_a_document(scene: Scene) -> None:
    scene.finished("order-7")
    scene.finished("order-8")

    told = scene.cli("purge", "--thread", "thread_1", "-o", "json")

    assert told.code == ExitCode.OK
    assert told.json["clean"]
    assert sorted(told.json["runs"]) == ["order-7", "order-8"]
    assert told.json["keys_deleted"] == 4
    assert told.json["left"] == []
    assert told.json["looked_at"]["keys"] > 0


def test_what_is_left_is_named_and_ends_with_1(scene: Scene) -> None:
    scene.finished("order-7")
    message = '[{"body": "W1sib3JkZXItNyIsIDEsIDBdLCB7fSwge31d", "properties": {"body_encoding": "base64"}, '
    in_hand = message + '"headers": {"task": "tools.execute"}}, "", "tools"]'
    scene.redis.hset(f"{scene.prefix}mq:unacked", "tag", in_hand)

    told = scene.cli("purge", "--run", "order-7")

    assert told.code == ExitCode.BAD
    assert f"{scene.prefix}mq:unacked names order-7" in told.out
    assert "purge again" in told.err
    left = scene.cli("purge", "--run", "order-7", "-o", "json").json["left"]
    assert left == [{"key": f"{scene.prefix}mq:unacked", "type": "hash", "run": "order-7"}]


def test_an_open_run_ends_with_6_and_says_to_cancel_first(scene: Scene) -> None:
    scene.polled("order-7")

    told = scene.cli("purge", "--run", "order-7")

    assert (told.code, told.out) == (ExitCode.CONFLICT, "")
    assert "threadrun cancel" in told.err
    assert scene.client.get("order-7").stage == "poll"


def test_what_a_damaged_record_is_told_to_be_done_about_can_be_done(scene: Scene) -> None:
    scene.polled("order-7")
    scene.redis.hset(scene.keys.run("order-7"), "request", "{not json")

    remedy = scene.cli("show", "order-7").err.rpartition("`threadrun ")[2].partition("`")[0]

    assert remedy == "purge --run order-7 --damaged"
    assert scene.cli("purge", "--run", "order-7").code == ExitCode.CONFLICT
    assert scene.cli(*remedy.split()).code == ExitCode.OK
    assert scene.cli("show", "order-7").code == ExitCode.NOT_FOUND


def test_a_key_that_nothing_names_ends_with_3(scene: Scene) -> None:
    told = scene.cli("purge", "--run", "order-7")

    assert told.code == ExitCode.NOT_FOUND
    assert "nothing to purge" in told.err


def test_old_runs_go_and_none_is_no_failure(scene: Scene) -> None:
    scene.finished("order-7")

    assert scene.cli("purge", "--older-than", "30d", "-o", "json").json["runs"] == []
    assert scene.client.get("order-7").final
    assert scene.cli("purge", "--older-than", "0s", "-o", "json").json["runs"] == ["order-7"]
    assert scene.cli("purge", "--older-than", "0s").code == ExitCode.OK


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("--run", "a", "--older-than", "1d"),
        ("--older-than", "soon"),
        ("--older-than", "2026-01-01"),
        ("--run", "a/b"),
        ("--thread", "thread_1", "--damaged"),
    ],
)
def test_anything_else_is_wrong_usage(scene: Scene, line: tuple[str, ...]) -> None:
    assert scene.cli("purge", *line).code == ExitCode.USAGE
