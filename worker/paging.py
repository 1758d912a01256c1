"""Follow the pages of a list, whatever a server says about there being more."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from threadrun.models import Page

LEAST_FULL_PAGE = 20
"""A page of a server that takes no notice of the limit asked for holds so many (the wire's default limit)."""


class _Entry(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> float | None: ...


T = TypeVar("T", bound=_Entry)


class Pages(Generic[T]):
    """Collect the entries of page after page, each entry once.

    A server may leave out its cursors, then the last entry is the cursor; or `has_more`, then a page that may be
    full has a successor. One that takes no notice of the cursor shows the same entries again: that is the end.
    """

    def __init__(self) -> None:
        self._entries: dict[str, T] = {}
        self.after: str | None = None
        """The cursor of the next page; none: the first."""

    def add(self, page: Page[T]) -> bool:
        """Take a page; tells whether there is another."""
        before = len(self._entries)
        for entry in page.data:
            self._entries.setdefault(entry.id, entry)
        if len(self._entries) == before:
            return False
        self.after = page.last_id or page.data[-1].id
        return len(page.data) >= LEAST_FULL_PAGE if page.has_more is None else page.has_more

    @property
    def entries(self) -> tuple[T, ...]:
        """All entries so far, as the server ordered them."""
        return tuple(self._entries.values())

    @property
    def oldest_first(self) -> tuple[T, ...]:
        """All entries, turned round where a server gave the newest first although the oldest was asked for."""
        times = [entry.created_at for entry in self.entries if entry.created_at is not None]
        return self.entries[::-1] if times and times[0] > times[-1] else self.entries
