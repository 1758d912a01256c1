"""The demo ends with 0 when every record is right, and leaves no process behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from threadrun import Outcome
from threadrun.testing import LocalStack

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "examples" / "demo.py")]
PATIENCE_SECONDS = 90
MARK = "E2E_DEMO_MARK"


def marked(mark: str) -> list[str]:
    """Find every process that has inherited this mark in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def start_demo(folder: Path) -> tuple[subprocess.Popen[str], str]:
    mark = uuid.uuid4().hex
    env = {**os.environ, MARK: mark, "TMPDIR": str(folder)}
    # In another folder than the checkout, as nobody promises where one starts it.
    process = subprocess.Popen(
        DEMO, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return process, mark


def wait_until(condition: Callable[[], bool]) -> bool:
    give_up_at = time.monotonic() + 60
    while not condition() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return condition()


def test_the_demo_shows_every_kind_of_run_and_leaves_nothing(tmp_path: Path) -> None:
    process, mark = start_demo(tmp_path)
    printed, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, printed
    for word in ("cancelled", "completed", "expired", "failed", "incomplete", "rejected", "timed_out"):
        assert f" {word} " in printed
    assert ": 0 problems." in printed
    assert marked(mark) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_demo_that_is_ended_from_outside_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process, mark = start_demo(tmp_path)
    with process:
        assert process.stdout is not None
        assert "are up after" in process.stdout.readline()
        assert len(marked(mark)) > 6
        process.send_signal(number)

    assert process.returncode != 0
    assert wait_until(lambda: marked(mark) == []), marked(mark)
    assert wait_until(lambda: list(tmp_path.iterdir()) == []), list(tmp_path.iterdir())


def test_the_demos_checks_see_what_is_wrong(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    from demo_cases import OK, Case
    from demo_checks import problems_of

    script = 'call add {"a": 2, "b": 3}\nsay The sum is $1.'
    case = Case(key="checked", script=script, calls=(OK,), text="The sum is 5.", steps=2)
    handle = stack.client.enqueue("asst_demo", messages=script, tools=["add"], idempotency_key=case.key)
    record = handle.wait(PATIENCE_SECONDS)
    (call,) = record.tool_calls
    assert record.usage is not None

    def seen(wrong: object) -> set[str]:
        return {what for what, _, _ in problems_of(case, wrong, stack.control)}

    assert seen(record) == set()
    assert seen(replace(record, outcome=Outcome.FAILED)) == {"outcome"}
    assert seen(replace(record, transitions=record.transitions[1:])) >= {"seq", "first and last event"}
    assert seen(replace(record, missing=("usage",))) == {"missing"}
    assert seen(replace(record, requests=record.requests + 1)) == {"requests"}
    assert seen(replace(record, tool_calls=(replace(call, attempts=2),))) == {"tool calls"}
    assert seen(replace(record, tool_calls=(replace(call, output="6"),))) == {"outputs at the provider"}
    assert seen(replace(record, steps=record.steps[:1])) == {"steps", "usage"}
    assert seen(replace(record, messages=())) == {"text"}
