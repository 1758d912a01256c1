"""Which tasks' arguments may be shown, and how those of the others stay out of events, logs and Flower."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

CONTENT_TASKS = frozenset({"runs.enqueue"})
"""The tasks of ours whose messages carry a user's content."""

HIDDEN = "(hidden)"
"""What is shown in place of arguments."""

_OURS = ("runs.", "tools.")


def may_show_arguments(task: str) -> bool:
    """Tell whether a task's arguments are harmless: ours name a profile, or a run key and a call."""
    return task.startswith(_OURS) and task not in CONTENT_TASKS


class ContentRequest(Request):  # type: ignore[misc]  # Celery has no annotations
    """Replace the shown form of a task's arguments; the task itself still gets them.

    Celery puts that form, made by the sender, into worker events and inspection replies. Name
    this class as the `Request` of every task in CONTENT_TASKS.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr = self._kwargsrepr = HIDDEN
