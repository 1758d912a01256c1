"""What the handlers did, by their own effect log: one JSON object whenever a handler is entered or left.

    {"event": "entered", "run_key": "order-7", "call": "order-7:1:0", "tool": "refund", "attempt": 1}
    {"event": "left",    "run_key": "order-7", "call": "order-7:1:0", "tool": "refund", "attempt": 1}

`call` is the context's `idempotency_key`. A handler that writes only the first of the two is judged by that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from threadrun.audit.json_lines import LogUnreadable, json_lines


@dataclass(slots=True)
class HandlerLog:
    """Count entries and exits of each call."""

    entered: Counter[str] = field(default_factory=Counter)
    """Call to how often its handler was entered."""
    left: Counter[str] = field(default_factory=Counter)
    """Call to how often its handler came to its end."""
    leaving_tools: set[str] = field(default_factory=set)
    """Tools whose handlers say when they leave."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            LogUnreadable: It is not there, or a line lacks `call`.
        """
        try:
            return cls.of(json_lines(path))
        except KeyError as error:
            raise LogUnreadable(path, f"a line lacks {error}") from None

    @classmethod
    def of(cls, lines: Iterable[Mapping[str, Any]]) -> Self:
        """Take lines, oldest first."""
        log = cls()
        for line in lines:
            if line["event"] == "entered":
                log.entered[line["call"]] += 1
            else:
                log.left[line["call"]] += 1
                log.leaving_tools.add(line["tool"])
        return log
