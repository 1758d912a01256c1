"""Run one command for as long as the parent lives: `python guard.py FOLDER command …`.

It prints the command's process id, and ends when the command does. When its own standard input ends, because
the parent closed it or died of whatever, it kills the command with all its children and removes FOLDER ("-":
none). Plain standard library, so that it starts in a blink.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(folder: str, command: Sequence[str]) -> int:
    """Guard the command; gives its exit code as a shell would."""
    # A session of its own: no Ctrl-C of the parent's terminal reaches it, and its children are one group.
    child = subprocess.Popen(  # noqa: S603 # running a command is what this is for
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.close()
    orphaned = threading.Event()
    threading.Thread(target=_wait_for_parent, args=(child.pid, orphaned), daemon=True).start()
    code = child.wait()
    _kill_group(child.pid)
    if orphaned.is_set() and folder != "-":
        shutil.rmtree(folder, ignore_errors=True)
    return code if code >= 0 else 128 - code


def _wait_for_parent(group: int, orphaned: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    orphaned.set()
    _kill_group(group)


def _kill_group(group: int) -> None:
    with contextlib.suppress(OSError):  # nobody is left in it
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
