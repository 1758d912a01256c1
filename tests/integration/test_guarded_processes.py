"""A guarded process never outlives the one that started it, and takes its children along."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from threadrun.testing.guarded import GuardedProcess

PARENT_OF_ONE = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
time.sleep(60)
"""


def parent_of_one(folder: Path, *arguments: str, remove: Path | None = None) -> tuple[GuardedProcess, int]:
    command = [sys.executable, "-c", PARENT_OF_ONE, *arguments]
    process = GuardedProcess(command, log=folder / "log.txt", remove=remove)
    lines = 2 if arguments else 1

    def child() -> int | None:
        said = process.log_text().splitlines()
        return int(said[0].split()[1]) if len(said) == lines else None

    return process, process.wait_until(child, 20)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def comes_true(condition: Callable[[], bool]) -> bool:
    give_up_at = time.monotonic() + 20
    while not condition() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return condition()


def test_killing_it_kills_its_children_too(tmp_path):
    process, child = parent_of_one(tmp_path)
    assert process.running
    process.kill()
    assert not process.running
    assert comes_true(lambda: is_gone(process.pid) and is_gone(child))


def test_what_it_leaves_behind_when_it_ends_is_killed(tmp_path):
    process, child = parent_of_one(tmp_path)
    assert process.stop(20) == 128 + signal.SIGTERM
    assert comes_true(lambda: is_gone(child))


def test_one_that_does_not_end_in_time_goes_on_until_it_is_closed(tmp_path):
    process, child = parent_of_one(tmp_path, "stubborn")
    with pytest.raises(TimeoutError, match="did not end within"):
        process.stop(0.3)
    assert process.running
    process.close()
    assert comes_true(lambda: is_gone(process.pid) and is_gone(child))


def test_a_folder_is_removed_on_close_but_not_when_it_is_killed(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    process, _ = parent_of_one(tmp_path, remove=folder)
    process.kill()
    process.close()
    assert folder.exists()

    process, _ = parent_of_one(tmp_path / "data", remove=folder)
    process.close()
    assert not folder.exists()


def test_its_exit_code_and_its_words_are_kept(tmp_path):
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"]
    process = GuardedProcess(command, log=tmp_path / "log.txt")
    assert comes_true(lambda: not process.running)
    assert process.stop(5) == 7
    assert sorted(process.log_text().split()) == ["err", "out"]


def test_one_that_ends_while_it_should_get_ready_is_reported_with_its_log(tmp_path):
    process = GuardedProcess(
        [sys.executable, "-c", "raise SystemExit('no such luck')"], log=tmp_path / "log.txt"
    )
    with pytest.raises(RuntimeError, match="no such luck"):
        process.wait_until(lambda: None, 20)
    process.close()


def test_one_that_never_gets_ready_is_given_up(tmp_path):
    process, _ = parent_of_one(tmp_path)
    with pytest.raises(RuntimeError, match=r"not ready within 0\.1 s"):
        process.wait_until(lambda: None, 0.1)
    process.close()


def test_a_program_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match="could not be started"):
        GuardedProcess(["/nowhere/program"], log=tmp_path / "log.txt")


DIES_AT_ONCE = """
import os, signal, sys
from pathlib import Path
from threadrun.testing.guarded import GuardedProcess
folder = Path(sys.argv[1])
process = GuardedProcess([sys.executable, "-c", sys.argv[2]], log=folder.parent / "log.txt", remove=folder)
print(process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_ends_with_a_parent_that_is_killed(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    command = [sys.executable, "-c", DIES_AT_ONCE, str(folder), PARENT_OF_ONE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    assert comes_true(lambda: is_gone(int(done.stdout)))
    assert comes_true(lambda: not folder.exists())
