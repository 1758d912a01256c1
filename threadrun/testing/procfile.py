"""Read how a checkout starts its processes, so that tests start them as a deployment does."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def procfile_command(checkout: Path, kind: str, node: str) -> list[str]:
    """Give the command of one process of the Procfile, run by this interpreter.

    Args:
        checkout: The folder of the Procfile.
        kind: The process's name there, such as `runs`.
        node: The node name of a worker: two workers of a kind must not share one.

    Raises:
        RuntimeError: There is no Procfile, or no such process in it.
    """
    path = checkout / "Procfile"
    if not path.exists():
        raise RuntimeError(
            f"There is no {path}. Name a checkout of threadrun: its workers are not in the wheel."
        )
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    commands = {name.strip(): command for name, colon, command in lines if colon}
    if kind not in commands:
        raise RuntimeError(f"{path} has no process {kind!r}; it has {', '.join(commands)}.")
    words = shlex.split(commands[kind].strip().removeprefix("exec "))
    command = [sys.executable if word == "python" else word for word in words]
    # Of an option that is given twice Celery takes the last; --quiet spares its banner.
    at = command.index("celery") + 1
    return [*command[:at], "--quiet", *command[at:], *(("-n", node) if "worker" in command else ())]
