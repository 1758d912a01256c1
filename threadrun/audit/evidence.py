"""What an audit is given beside the records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from threadrun.audit.handler_log import HandlerLog
from threadrun.audit.json_lines import LogUnreadable
from threadrun.audit.server_log import ServerLog

__all__ = ["Evidence", "LogUnreadable"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold the logs of those outside; without one, what only it can show is not judged."""

    server: ServerLog | None = None
    """What the provider did."""
    handlers: HandlerLog | None = None
    """What the handlers did."""
    accepted: frozenset[str] = frozenset()
    """Run keys whose enqueue was answered; each must have a record."""
    idempotent: frozenset[str] = frozenset()
    """Tools that may be entered again."""

    @classmethod
    def read(
        cls, server_log: Path | None = None, effects: Path | None = None, accepted: Path | None = None
    ) -> Self:
        """Read what is given as files; `accepted` holds one run key a line.

        Raises:
            LogUnreadable: A file is not there, or is no such log.
        """
        return cls(
            ServerLog.read(server_log) if server_log else None,
            HandlerLog.read(effects) if effects else None,
            _run_keys(accepted) if accepted else frozenset(),
        )


def _run_keys(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise LogUnreadable(path, f"cannot be read ({type(error).__name__})") from None
