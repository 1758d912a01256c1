"""The liveness file: who touches it, and what `threadrun health` makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.settings import load_settings
from threadrun.cli import run
from threadrun.errors import SettingsInvalid
from threadrun.health.liveness import check_liveness, liveness_path
from worker.event_loop import EventLoop
from worker.liveness import LivenessFile, LivenessThread, Pulse


def age(path: Path, seconds: float) -> None:
    """Make the file look as if it had been touched so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def checks(template: str, max_age: float = 30) -> list[str]:
    return [finding.check for finding in check_liveness(template, "runs", max_age)]


@pytest.fixture
def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_worker_touches_its_own_file_and_takes_it_away_when_it_ends(tmp_path: Path) -> None:
    file = LivenessFile(str(tmp_path / "{kind}.{pid}"), "runs")
    expected = tmp_path / f"runs.{os.getpid()}"

    file.touch()
    age(expected, 100)
    file.touch()

    assert time.time() - expected.stat().st_mtime < 10
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_without_a_template_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = LivenessFile(None, "runs")
    file.touch()
    file.remove()

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_touched_is_said_once_and_again_after_it_worked(tmp_path: Path) -> None:
    file = LivenessFile(str(tmp_path / "missing" / "file"), "runs")
    with capture_logs() as lines:
        file.touch()
        file.touch()
        (tmp_path / "missing").mkdir()
        file.touch()
        (tmp_path / "missing" / "file").unlink()
        (tmp_path / "missing").rmdir()
        file.touch()

    assert [line["event"] for line in lines] == ["liveness.not_written"] * 2


def test_the_loop_itself_touches_the_file_and_stops_when_it_is_stuck(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    pulse, loop, stuck = Pulse(LivenessFile(str(path), "runs")), EventLoop(), threading.Event()
    loop.start()
    try:
        loop.every(0.01, pulse.turn)
        wait_until(lambda: pulse.turns > 2 and path.exists())
        assert pulse.gives_sign()

        loop._loop.call_soon_threadsafe(stuck.wait)
        wait_until(lambda: not pulse.gives_sign())
        age(path, 100)
        assert checks(str(path)) == ["liveness.stale"]

        stuck.set()
        wait_until(lambda: pulse.gives_sign() and checks(str(path)) == [])
    finally:
        stuck.set()
        loop.stop()


def test_a_loop_stands_still_for_as_long_as_it_has_not_come_round(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("worker.liveness.time.monotonic", lambda: now[0])
    pulse = Pulse(LivenessFile(None, "runs"))
    now[0] += 7
    assert pulse.stands_seconds == 7

    pulse.turn()
    assert pulse.stands_seconds == 0


def test_a_parents_file_is_touched_only_while_its_heart_beats(tmp_path: Path) -> None:
    path, beats = tmp_path / "alive", True
    thread = LivenessThread(LivenessFile(str(path), "tools"), lambda: beats)
    thread.start()
    wait_until(path.exists)
    thread.stop()

    beats = False
    path.unlink()
    thread = LivenessThread(LivenessFile(str(path), "tools"), lambda: beats)
    thread.start()
    thread._thread.join(5)

    assert not path.exists()


@pytest.mark.parametrize(("seconds", "found"), [(1, []), (31, ["liveness.stale"]), (-31, ["liveness.stale"])])
def test_a_file_is_fresh_or_stale_by_its_age_even_if_the_clock_was_set_back(
    tmp_path: Path, seconds: float, found: list[str]
) -> None:
    path = tmp_path / "alive"
    path.touch()
    age(path, seconds)

    assert checks(str(path)) == found


def test_no_file_is_no_worker(tmp_path: Path) -> None:
    assert checks(str(tmp_path / "alive")) == ["liveness.missing"]
    assert checks(str(tmp_path / "{kind}.{pid}")) == ["liveness.missing"]


def test_every_living_worker_of_the_kind_must_be_fresh(tmp_path: Path, dead_pid: int) -> None:
    template = str(tmp_path / "{kind}.{pid}.alive")
    for kind, pid in (("runs", os.getpid()), ("runs", dead_pid), ("runs", os.getppid()), ("tools", 1)):
        liveness_path(template, kind, pid).touch()
    age(liveness_path(template, "runs", dead_pid), 100)
    assert checks(template) == []

    age(liveness_path(template, "runs", os.getppid()), 100)
    (finding,) = check_liveness(template, "runs")
    assert f"runs.{os.getppid()}.alive was touched 100 s ago" in finding.message


def test_the_files_of_dead_workers_alone_are_no_worker(tmp_path: Path, dead_pid: int) -> None:
    template = str(tmp_path / "{pid}")
    liveness_path(template, "runs", dead_pid).touch()

    assert checks(template) == ["liveness.missing"]


@pytest.mark.parametrize("template", ["relative/file", "/run/{host}", "/run/{kind"])
def test_a_template_that_would_not_do_what_it_says_is_refused(template: str) -> None:
    with pytest.raises(SettingsInvalid, match="LIVENESS_FILE"):
        load_settings({"THREADRUN_ENGINE__LIVENESS_FILE": template}, None)


def test_the_command_exits_with_0_or_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.alive"
    path.touch()
    monkeypatch.setenv("THREADRUN_ENGINE__LIVENESS_FILE", str(tmp_path / "{kind}.alive"))

    assert run(["health", "--kind", "runs"]) == 0
    assert run(["health", "--kind", "tools"]) == 1
    age(path, 10)
    assert run(["health", "--kind", "runs", "--max-age", "5"]) == 1
    assert "is stuck. Restart it" in capsys.readouterr().err


def test_the_command_without_a_file_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("THREADRUN_ENGINE__LIVENESS_FILE", raising=False)

    assert run(["health", "--kind", "runs"]) == 2
    assert "--file" in capsys.readouterr().err


def test_without_redis_a_worker_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = f"unix://{tmp_path}/none.sock"

    assert run(["health", "--kind", "runs", "--ready", "--redis-url", nowhere]) == 1
    assert "cannot be used" in capsys.readouterr().err


def wait_until(reached: object) -> None:
    give_up_at = time.monotonic() + 10
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < give_up_at
        time.sleep(0.005)
