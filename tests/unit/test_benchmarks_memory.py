"""The benchmark counts the memory of a contender's every process."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.memory import PeakMemory, held_bytes

HOLD = "held = b'x' * 40_000_000; print(flush=True); input()"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {HOLD!r}])
"""


def test_what_children_hold_counts() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()

        assert held_bytes(parent.pid) > 40_000_000

        parent.stdin.write(b"\n")
        parent.stdin.close()


def test_the_peak_is_what_all_held_together_and_one_that_has_ended_holds_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with PeakMemory([os.getpid(), gone.pid]) as memory:
        pass

    assert memory.peak_bytes > 1_000_000
