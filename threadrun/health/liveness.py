"""The liveness file: a worker touches it every two seconds for as long as it makes progress.

It never depends on Redis: a Redis that is away is waited for, and a restart of the worker would not bring it
back. Whether a worker can work right now is another question (readiness: its heartbeat in Redis).
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from pathlib import Path

from threadrun.health.finding import Finding, Severity

TOUCH_SECONDS = 2.0
"""How often the file is touched at least."""

MAX_AGE_SECONDS = 30.0
"""After how long an untouched file means that the worker is stuck."""

VARIABLE = "THREADRUN_ENGINE__LIVENESS_FILE"
"""Where the template is configured."""


def liveness_path(template: str, kind: str, pid: int) -> Path:
    """Give the file of one worker: `{kind}` becomes runs or tools, `{pid}` its process id."""
    return Path(template.replace("{kind}", kind).replace("{pid}", str(pid)))


def check_liveness(template: str, kind: str, max_age_seconds: float = MAX_AGE_SECONDS) -> list[Finding]:
    """Look whether every worker of a kind on this machine touches its file.

    With `{pid}` in the template the files of processes that are gone do not count.

    Args:
        template: The path, with or without `{kind}` and `{pid}`.
        kind: `runs` or `tools`.
        max_age_seconds: How old the last touch may be.
    """
    ages = _ages(template, kind)
    stale = {path: age for path, age in ages.items() if not abs(age) <= max_age_seconds}
    if not ages:
        where = liveness_path(template, kind, 0) if "{pid}" not in template else template
        text = (
            f"no {kind} worker has touched {where}: none has started here, or it has ended. Start one with "
            f"{VARIABLE} set to this path, and see its log."
        )
        return [Finding(Severity.ERROR, "liveness.missing", text)]
    return [
        Finding(Severity.ERROR, "liveness.stale", _stale(path, age, max_age_seconds))
        for path, age in stale.items()
    ]


def _stale(path: Path, age: float, max_age_seconds: float) -> str:
    # A file from the future: the host's clock was set back, and nobody has touched it since.
    when = f"{age:.0f} s ago" if age >= 0 else f"{-age:.0f} s in the future of this clock"
    return (
        f"{path} was touched {when}, which is over {max_age_seconds:g} s: this worker is stuck. Restart it; its "
        "runs go on elsewhere as soon as their leases lapse."
    )


def _ages(template: str, kind: str) -> dict[Path, float]:
    now = time.time()
    found: dict[Path, float] = {}
    for path in _living(template, kind):
        with contextlib.suppress(FileNotFoundError):
            found[path] = now - path.stat().st_mtime
    return found


def _living(template: str, kind: str) -> list[Path]:
    if "{pid}" not in template:
        return [liveness_path(template, kind, 0)]
    parts = [part.replace("{kind}", kind) for part in template.split("{pid}")]
    names = re.compile(r"(?P<pid>\d+)".join([re.escape(part) for part in parts[:2]]) + _again(parts[2:]))
    paths = glob.glob("*".join(glob.escape(part) for part in parts))
    matches = [(path, names.fullmatch(path)) for path in sorted(paths)]
    return [Path(path) for path, match in matches if match and _exists(int(match["pid"]))]


def _again(parts: list[str]) -> str:
    return "".join(f"(?P=pid){re.escape(part)}" for part in parts)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, as somebody else's process
        return True
    return True
