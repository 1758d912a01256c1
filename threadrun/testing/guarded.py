"""Start processes that never outlive this one, not even when it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from threadrun.testing import guard

T = TypeVar("T")

LOOK_SECONDS = 0.02
"""How often a process that is starting is looked at."""

END_SECONDS = 10.0
"""How long a killed process may take to be gone."""


class GuardedProcess:
    """Run a command, in a process group of its own, until it ends, is ended, or this process is gone.

    Standard output and error go to a log file. A guard process stands between: it sees this process end.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        remove: Path | None = None,
    ) -> None:
        """Start the command.

        Args:
            command: The program and its arguments.
            log: Where its output is appended.
            env: Its environment; none: ours.
            cwd: Its folder; none: ours.
            remove: A folder to remove when the process is closed, or when this one is gone.

        Raises:
            RuntimeError: It could not be started.
        """
        self.log = log
        """Where its output goes."""
        guarded = [sys.executable, "-I", "-S", guard.__file__, str(remove or "-"), *command]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 # running a command is what this is for
                guarded,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        assert self._guard.stdout is not None  # noqa: S101 # as asked for above
        with self._guard.stdout as told:
            line = told.readline()
        if not line:
            self._guard.wait()
            self._let_go()
            raise RuntimeError(f"{command[0]} could not be started:\n{self.log_tail()}")
        self.pid = int(line)
        """The command's process id, and that of its group."""

    @property
    def running(self) -> bool:
        """Tell whether the command has not ended."""
        return self._guard.poll() is None

    def kill(self) -> None:
        """Kill the command and all its children at once (SIGKILL), and wait until they are gone."""
        self._signal(os.killpg, signal.SIGKILL)
        self._wait(END_SECONDS)

    def ask_to_end(self) -> None:
        """Send the command SIGTERM, but not its children, as a supervisor does."""
        self._signal(os.kill, signal.SIGTERM)

    def stop(self, timeout_seconds: float) -> int:
        """Ask the command to end and wait for it; gives its exit code, 128 and the signal's number if killed.

        Raises:
            TimeoutError: It did not end in time, and goes on.
        """
        self.ask_to_end()
        return self._wait(timeout_seconds)

    def close(self) -> None:
        """Kill the command if it runs, and remove what is to be removed."""
        self._let_go()
        self._wait(END_SECONDS)

    def wait_until(self, ready: Callable[[], T | None], timeout_seconds: float) -> T:
        """Ask again and again until there is an answer, and give it.

        Raises:
            RuntimeError: The command ended, or there was no answer in time; the text ends with its log.
        """
        give_up_at = time.monotonic() + timeout_seconds
        while (answer := ready()) is None:
            if not self.running:
                raise RuntimeError(f"process {self.pid} ended while it started:\n{self.log_tail()}")
            if time.monotonic() > give_up_at:
                raise RuntimeError(
                    f"process {self.pid} was not ready within {timeout_seconds:g} s:\n{self.log_tail()}"
                )
            time.sleep(LOOK_SECONDS)
        return answer

    def log_text(self) -> str:
        """Read the whole log."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 20) -> str:
        """Read the end of the log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                send(self.pid, number)

    def _wait(self, timeout_seconds: float) -> int:
        try:
            code = self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end within {timeout_seconds:g} s") from None
        self._let_go()
        return code

    def _let_go(self) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.close()
