"""Run one row: `python -m tests.chaos ROW [--size small|full] [--seed N]`; exit code 1 if it fails.

`python -m tests.chaos --table` writes the table of README from build/chaos.json; `--readme` puts it there.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

from tests.chaos import report, rows
from tests.chaos.figures import Figures, Size

README = Path("README.md")

LIMIT_SECONDS = 1_500
"""How long a row may take: three times what the longest needs on a machine with nothing else to do."""


def main() -> int:
    """Run the row and keep its figures."""
    asked = _parser().parse_args()
    if asked.table:
        print(report.table(json.loads(report.REPORT.read_text(encoding="utf-8"))))
        return 0
    if asked.readme:
        kept = json.loads(report.REPORT.read_text(encoding="utf-8"))
        README.write_text(report.with_table(README.read_text(encoding="utf-8"), kept), encoding="utf-8")
        return 0
    if asked.row is None:
        print("\n".join(rows.names()))
        return 0
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(LIMIT_SECONDS)
    figures, seconds = _run(asked.row, asked.size, asked.seed)
    signal.alarm(0)
    told = report.entry(figures, asked.size, asked.seed, seconds)
    report.merge(asked.out, asked.row, told)
    print(json.dumps({asked.row: told}, indent=2))
    return 0 if figures.passed else 1


def _run(row: str, size: Size, seed: int) -> tuple[Figures, float]:
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{row}-"))
    print(f"{row}: size {size}, seed {seed}, evidence in {folder}", file=sys.stderr)
    try:
        figures = rows.load(row)(size, seed, folder)
    except Exception as error:
        traceback.print_exc()
        figures = Figures(load="", nemesis="")
        figures.fail(f"{type(error).__name__}: {error}")
    return figures, time.monotonic() - begun


def _too_late(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"the row took more than {LIMIT_SECONDS} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Run one row.")
    parser.add_argument("row", nargs="?", choices=rows.names(), help="none: list them")
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="default: drawn, and told"
    )
    parser.add_argument("--out", type=Path, default=report.REPORT, help="where the figures are kept")
    parser.add_argument("--table", action="store_true", help="write README's table of the figures kept")
    parser.add_argument(
        "--readme", action="store_true", help="put the table of the figures kept into README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
