"""Read a log of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadrun.errors import Problem, SettingsInvalid


class LogUnreadable(SettingsInvalid):
    """Report a file of evidence that cannot be read; an audit without it would say too little."""

    def __init__(self, path: Path | str, reason: str, _text: str = "") -> None:
        super().__init__([Problem("", f"{path}: {reason}")])
        self._tell(str(self), str(path), reason)


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Give the objects of a log, one a line; a last line without an end is one that its writer died in.

    Raises:
        LogUnreadable: It is not there, or a line is no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.endswith("\n"):
                    yield _object(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise LogUnreadable(path, f"cannot be read ({type(error).__name__})") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise LogUnreadable(path, f"line {number} is no JSON") from None
    if not isinstance(found, dict):
        raise LogUnreadable(path, f"line {number} is no JSON object")
    return found
