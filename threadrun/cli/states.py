"""Give outcomes, stages and severities their colours."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from threadrun.health import Severity
from threadrun.status import Outcome, Stage

_STYLES: Mapping[str, str] = {
    Outcome.COMPLETED: "green",
    Outcome.INCOMPLETE: "yellow",
    Outcome.CANCELLED: "yellow",
    Outcome.FAILED: "red",
    Outcome.EXPIRED: "red",
    Outcome.TIMED_OUT: "red",
    Outcome.REJECTED: "red",
    Outcome.LOST: "red",
    Severity.ERROR: "red",
    Severity.WARNING: "yellow",
}


def styled(state: Outcome | Stage | Severity | str) -> Text:
    """Write a state in its colour."""
    return Text(str(state), _STYLES.get(state, "cyan"))
