"""The exit codes of the command line, in one place; `threadrun --help` shows them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Say how a command ended; scripts may rely on these numbers."""

    OK = 0
    """Done."""
    BAD = 1
    """What was asked for is bad: a waited run did not complete, doctor found an error, a worker is not well, a purge
    left something."""
    USAGE = 2
    """The command line, a setting or the request is invalid; nothing was done."""
    NOT_FOUND = 3
    """No such run or tool."""
    TIMEOUT = 4
    """A waited run was not final in time; it goes on."""
    UNREACHABLE = 5
    """Redis did not answer."""
    CONFLICT = 6
    """The run key stands for another request, the thread is busy, a run to purge is open, or nothing waits there."""
    TOO_NEW = 7
    """The record was written by a newer threadrun."""
    INTERRUPTED = 130
    """Ctrl-C; whatever was enqueued goes on."""
    PIPE_CLOSED = 141
    """The reader of the output went away, as in `threadrun list | head`."""


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.BAD: "a waited run did not complete, doctor found an error, a worker is not well, a purge left something",
    ExitCode.USAGE: "the command line, a setting or the request is invalid; nothing was done",
    ExitCode.NOT_FOUND: "no such run or tool",
    ExitCode.TIMEOUT: "a waited run was not final in time; it goes on",
    ExitCode.UNREACHABLE: "Redis did not answer",
    ExitCode.CONFLICT: "run key in use, thread busy, a run to purge still open, or nothing to resolve or release",
    ExitCode.TOO_NEW: "the record was written by a newer threadrun",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; what was enqueued goes on",
    ExitCode.PIPE_CLOSED: "the reader of the output went away",
}
"""What the help says of each."""


def epilog() -> str:
    """Write the list of exit codes for the help."""
    lines = [f"{code.value} - {meaning}" for code, meaning in MEANINGS.items()]
    return "\n".join(["Exit codes:", *lines])
