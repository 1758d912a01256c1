"""The file with every number, to which each program of the benchmark adds its part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions


def read(path: Path) -> dict[str, Any]:
    """Read it; empty where there is none yet."""
    if not path.exists():
        return {}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def add_section(path: Path, name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Put figures into a section, over older ones of the same name, with what they were made on; gives it all."""
    document = read(path)
    section = document.setdefault(name, {})
    section.update(rounded(dict(figures)))
    section["made_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    section["machine"], section["versions"] = machine(), versions()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


def rounded(value: Any) -> Any:
    """Give a value whose every number has at most six digits after the point."""
    match value:
        case float():
            return round(value, 6)
        case list():
            return [rounded(item) for item in value]
        case dict():
            return {name: rounded(item) for name, item in value.items()}
    return value
