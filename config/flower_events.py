"""What Flower remembers of tasks: never the arguments of those that carry content, or of strangers."""

from __future__ import annotations

from typing import Any

from flower.events import EventsState

from config.content_tasks import HIDDEN, may_show_arguments


class DiscreetEvents(EventsState):  # type: ignore[misc]  # Flower has no annotations
    """Drop arguments when an event arrives, so that no page, API or saved state of Flower can show them.

    Flower's own `format_task` cleans its pages only; and the event that a sender publishes is not ours to
    clean at the source.
    """

    def event(self, event: dict[str, Any]) -> None:
        """Take one event of a worker or a sender."""
        # Only `task-sent` and `task-received` bring arguments, and both bring the name.
        if not may_show_arguments(str(event.get("name", ""))):
            event |= {name: HIDDEN for name in ("args", "kwargs") if name in event}
        super().event(event)
