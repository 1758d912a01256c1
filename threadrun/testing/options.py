"""What can be set on a run server."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from threadrun.testing.quirks import Quirk


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Set how a run server behaves; the defaults are OpenAI's behaviour, only quicker."""

    api_key: str | None = None
    """The bearer key that is accepted; none: any key that is not empty."""
    think_seconds: float = 0.05
    """How long the model thinks each time it picks up a run, where the script says nothing."""
    queue_seconds: float = 0.0
    """How long a run stays queued, after its creation and after each submit."""
    cancel_seconds: float = 0.05
    """How long a run stays `cancelling`."""
    expire_seconds: float | None = None
    """A run that is not terminal so long after its creation expires; none: as in recorded runs of the dialect."""
    accept_any_assistant: bool = False
    """Accept runs of assistants that were never created."""
    poll_after_ms: int | None = None
    """Answer a read of a run with this hint in the header `openai-poll-after-ms`."""
    forget_after_seconds: float | None = None
    """Forget threads without an active run, and effects, that are older than this; none: keep all."""
    seed: int = 0
    """Makes the ids; two servers with one seed give the same ids for the same requests."""
    effect_log: Path | None = None
    """Append every effect to this file, one JSON object a line."""
    quirks: Collection[str] = frozenset()
    """In what it differs from OpenAI's; names of `threadrun.testing.quirks.Quirk`."""

    def __post_init__(self) -> None:
        known = frozenset(Quirk)
        unknown = sorted(set(self.quirks) - known)
        if isinstance(self.quirks, str) or unknown:
            raise ValueError(f"unknown quirks {unknown or self.quirks!r}; give some of {sorted(known)}")
