"""Run the app: every way out of it becomes an exit code and at most a few lines on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import typer

from threadrun.cli.app import app
from threadrun.cli.exit_codes import ExitCode

PROGRAM = "threadrun"


@runtime_checkable
class UsageFailure(Protocol):
    """Describe click's exceptions; some versions of typer bring click, others their own copy of it."""

    exit_code: int

    def format_message(self) -> str:
        """Say what is wrong."""
        ...


def run_app(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    if unreadable := [at for at, argument in enumerate(arguments, 1) if not _is_text(argument)]:
        return _refuse(f"argument {unreadable[0]} is not valid UTF-8.")
    try:
        code = app(list(arguments) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()  # fails once more where a command's output already did
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return abandon_output()
    except Exception as failure:
        if not isinstance(failure, UsageFailure):
            raise
        return _refuse(failure.format_message(), getattr(failure, "ctx", None))
    return int(code or ExitCode.OK)


def abandon_output() -> ExitCode:
    """Let the interpreter end without a complaint about an output that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.PIPE_CLOSED


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(message: str, context: Any = None) -> ExitCode:
    command = context.command_path if context is not None else PROGRAM
    sys.stderr.write(f"{PROGRAM}: {message}\nSee `{command} --help`.\n")
    return ExitCode.USAGE
