"""The command line `threadrun`: enqueue runs, watch them, and see how the whole is doing.

It needs the extra `cli`. It talks to Redis only, so it works wherever a web app does, workers or not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from threadrun.cli.exit_codes import ExitCode

__all__ = ["ExitCode", "main", "run"]

_EXTRA = frozenset({"typer", "rich"})


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code.

    Raises:
        ModuleNotFoundError: Something else than the extra `cli` is missing.
    """
    try:
        from threadrun.cli.running import run_app  # noqa: PLC0415 the extra may not be installed
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(
            f"threadrun: the command line needs {missing}. Install it: pip install 'threadrun[cli]'\n"
        )
        return ExitCode.USAGE
    return run_app(arguments)
