"""Keep the figures of all rows in build/chaos.json, one object a row, and show them as README's table."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.figures import Figures

REPORT = Path("build/chaos.json")
"""Where the figures are, from the checkout's folder."""


def machine() -> str:
    """Describe the machine in a few words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def entry(figures: Figures, size: str, seed: int, seconds: float) -> dict[str, Any]:
    """Spell a row."""
    return {
        "size": size,
        "seed": seed,
        "load": figures.load,
        "nemesis": figures.nemesis,
        "figures": figures.shown,
        "failures": figures.failures,
        "passed": figures.passed,
        "seconds": round(seconds, 1),
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def merge(path: Path, row: str, told: dict[str, Any]) -> None:
    """Put a row in the place of its last one; rows may end at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = json.loads(file.read() or "{}") | {row: told}
        file.truncate(0)
        json.dump(dict(sorted(rows.items())), file, indent=2)
        file.write("\n")


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Write the figures as README shows them."""
    lines = ["| experiment | load | nemesis | figures | seconds |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        verdict = "" if row["passed"] else " **(failed)**"
        cells = [name.replace("-", " "), row["load"], row["nemesis"], _figures(row) + verdict]
        lines.append(f"| {' | '.join(cells)} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def with_table(readme: str, rows: dict[str, dict[str, Any]]) -> str:
    """Put the table in the place of the one that README shows.

    Raises:
        ValueError: A row's figures are those of its small size.
    """
    if small := [name for name, row in rows.items() if row["size"] != "full"]:
        raise ValueError(f"README shows figures of full size; run these again: {', '.join(small)}")
    return re.sub(
        r"\| experiment \|.*?\n\n", lambda _: table(rows) + "\n\n", readme, count=1, flags=re.DOTALL
    )


def _figures(row: dict[str, Any]) -> str:
    """Write what there was, then what there was none of."""
    figures = row["figures"]
    some = ", ".join(f"{name} {_spelt(value)}" for name, value in figures.items() if value != 0)
    none = ", ".join(name for name, value in figures.items() if value == 0)
    return f"{some}; none of: {none}" if none else some


def _spelt(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
