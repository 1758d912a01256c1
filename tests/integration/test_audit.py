"""`threadrun doctor --audit` reads every record and the logs of those outside, and finds what was staged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli_scene import Scene
from threadrun.cli.exit_codes import ExitCode
from threadrun.client import auditing
from threadrun.status import Stage


@pytest.fixture
def scene(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Scene:
    staged = Scene(redis_url, "audit:", capsys)
    staged.redis.flushdb()
    monkeypatch.setenv("THREADRUN_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", "audit:")
    monkeypatch.setattr(auditing, "SECOND_LOOK_SECONDS", 0.0)
    return staged


def lines(path: Path, *objects: dict[str, object]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    return str(path)


def audited(scene: Scene, *options: str, code: ExitCode = ExitCode.BAD) -> list[str]:
    told = scene.cli("doctor", "--audit", "-o", "json", *options)
    assert told.code == code, told.err
    assert told.json["audit"]["ok"] == (code == ExitCode.OK)
    return [breach["rule"] for breach in told.json["audit"]["breaches"]]


def test_runs_in_every_stage_are_judged_and_found_sound(scene: Scene) -> None:
    scene.workers()
    scene.finished_with_a_tool("done")
    scene.in_tools("at-work", claim=True)
    scene.enqueue("new")
    scene.enqueue("waits", thread_id="thread_1")

    told = scene.cli("doctor", "--audit")

    assert told.code == ExitCode.OK
    assert "4 runs judged, 1 finished, 2 calls, 0 of them with unknown outcome" in " ".join(told.out.split())


def forget_agenda(scene: Scene) -> None:
    scene.redis.zrem(scene.keys.agenda(Stage.POLL, "default"), "run")


def second_agenda(scene: Scene) -> None:
    scene.redis.zadd(scene.keys.agenda(Stage.TOOLS, "default"), {"run": 1})


def twin_event(scene: Scene) -> None:
    scene.redis.rpush(scene.keys.events("run"), scene.redis.lindex(scene.keys.events("run"), 0) or "")


def lost_event(scene: Scene) -> None:
    scene.redis.lpop(scene.keys.events("run"))


def early_end(scene: Scene) -> None:
    seq = scene.redis.llen(scene.keys.events("run"))
    event = {"seq": int(seq) + 1, "at_ms": 1, "type": "run.finished"}  # type: ignore[arg-type]
    scene.redis.rpush(scene.keys.events("run"), json.dumps(event))


def stale_index(scene: Scene) -> None:
    scene.redis.zadd(scene.keys.index_status("none"), {"run": 1})


def lost_index(scene: Scene) -> None:
    scene.redis.zrem(scene.keys.index_runs(), "run")


def lost_record(scene: Scene) -> None:
    scene.redis.delete(scene.keys.run("run"))


def damaged_schema(scene: Scene) -> None:
    scene.redis.hset(scene.keys.run("run"), "schema", "one")


def damaged_event(scene: Scene) -> None:
    scene.redis.rpush(scene.keys.events("run"), "{")


def no_hash(scene: Scene) -> None:
    scene.redis.delete(scene.keys.run("run"))
    scene.redis.set(scene.keys.run("run"), "text")


@pytest.mark.parametrize(
    ("breach", "rule"),
    [
        (damaged_schema, "run.damaged"),
        (damaged_event, "run.damaged"),
        (no_hash, "run.damaged"),
        (forget_agenda, "agenda.astray"),
        (second_agenda, "agenda.astray"),
        (twin_event, "events.gap"),
        (lost_event, "events.gap"),
        (early_end, "run.not_ended_once"),
        (stale_index, "index.leftover"),
        (lost_index, "index.missing"),
        (lost_record, "run.missing"),
    ],
)
def test_a_breach_in_redis_is_found(scene: Scene, breach: Callable[[Scene], None], rule: str) -> None:
    scene.polled("run")
    assert audited(scene, code=ExitCode.OK) == []

    breach(scene)

    assert audited(scene) == [rule]


def test_a_thread_that_a_finished_run_still_holds_is_found(scene: Scene) -> None:
    scene.finished("run")
    scene.redis.set(f"{scene.keys.thread('default', 'thread_1')}:active", "run")

    assert audited(scene) == ["thread.locked"]


def test_an_accepted_run_without_a_record_is_lost(scene: Scene, tmp_path: Path) -> None:
    scene.polled("run")
    accepted = tmp_path / "accepted.txt"
    accepted.write_text("run\ngone\n")

    assert audited(scene, "--accepted", str(accepted)) == ["run.missing"]


def test_twins_at_the_provider_are_found_by_its_log(scene: Scene, tmp_path: Path) -> None:
    scene.polled("run")
    made = [{"effect": "run.created", "threadrun_key": "run", "run_id": id_} for id_ in ("run_1", "run_2")]

    log = lines(tmp_path / "server.jsonl", *made)
    assert audited(scene, "--server-log", log) == ["provider.twin"]

    cancelled = {"effect": "run.cancelled", "threadrun_key": "run", "run_id": "run_2"}
    log = lines(tmp_path / "server.jsonl", *made, cancelled)
    assert audited(scene, "--server-log", log, code=ExitCode.OK) == []


def test_the_catalogue_tells_which_tools_may_be_entered_twice(scene: Scene, tmp_path: Path) -> None:
    scene.workers()
    scene.in_tools("run", claim=True)
    scene.redis.hset(scene.keys.calls("run"), "1:0:attempts", "2")
    entered = {"event": "entered", "run_key": "run", "call": "run:1:0", "tool": "add", "attempt": 1}
    effects = lines(tmp_path / "effects.jsonl", entered, entered)

    assert set(audited(scene, "--effects", effects)) == {"call.entered_twice"}

    entry = json.loads(scene.redis.hget(scene.keys.tools(), "add") or "{}")  # type: ignore[arg-type]
    scene.redis.hset(scene.keys.tools(), "add", json.dumps(entry | {"idempotent": True}))
    assert audited(scene, "--effects", effects, code=ExitCode.OK) == []


def test_what_was_only_in_passing_is_no_breach(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.polled("run")
    forget_agenda(scene)
    look = auditing._look

    def looked_before_it_moved_on(*args: Any) -> Any:
        found = yield from look(*args)
        scene.redis.zadd(scene.keys.agenda(Stage.POLL, "default"), {"run": 1})
        return found

    monkeypatch.setattr(auditing, "_look", looked_before_it_moved_on)

    assert audited(scene, code=ExitCode.OK) == []


@pytest.mark.parametrize("text", ["[]\n", "no json\n", None])
def test_evidence_that_cannot_be_read_is_a_wrong_use_and_no_clean_bill(
    scene: Scene, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "log.jsonl"
    if text is not None:
        path.write_text(text)

    told = scene.cli("doctor", "--audit", "--server-log", str(path))

    assert told.code == ExitCode.USAGE
    assert str(path) in told.err


def test_a_line_that_its_writer_died_in_is_passed_over(scene: Scene, tmp_path: Path) -> None:
    scene.polled("run")
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"effect": "run.created", "threadrun_key": "run", "run_id": "run_1"}\n{"effect": "run.cr'
    )

    assert audited(scene, "--server-log", str(path), code=ExitCode.OK) == []


def test_evidence_without_an_audit_is_a_wrong_use(scene: Scene, tmp_path: Path) -> None:
    assert scene.cli("doctor", "--effects", str(tmp_path / "x")).code == ExitCode.USAGE
