"""Tasks whose messages carry a user's content, and how it is kept out of events, logs and Flower."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

CONTENT_TASKS = frozenset({"runs.enqueue"})
"""The names of the tasks whose arguments must never be shown."""

HIDDEN = "(hidden)"
"""What is shown in place of arguments."""


class ContentRequest(Request):  # type: ignore[misc]  # Celery has no annotations
    """Replace the shown form of a task's arguments; the task itself still gets them.

    Celery puts that form, made by the sender, into worker events, inspection replies and error logs. Name
    this class as the `Request` of every task in CONTENT_TASKS.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr = self._kwargsrepr = HIDDEN
        self._request_dict.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)
