"""The benchmark counts the CPU of a contender's every process."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.cpu import cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
child = subprocess.Popen([sys.executable, "-c", {BURN + "print(flush=True); input()"!r}], stdin=subprocess.PIPE)
input()
child.communicate()
"""


def test_children_count_whether_they_live_or_have_ended() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()  # of the child that lives: the other has ended before

        assert cpu_seconds(parent.pid) >= 0.55

        parent.stdin.close()
