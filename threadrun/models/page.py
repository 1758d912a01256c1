"""One page of a list."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BeforeValidator

from threadrun.models.item_texts import member_item_texts
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel
from threadrun.models.wire_json import utf8_text

T = TypeVar("T")


def _null_as_empty(data: Any) -> Any:
    return [] if data is None else data


class Page(WireModel, Generic[T]):
    """Hold one page of a list: `Page[Run].from_wire(body)` (ListRunsResponse and its sisters).

    `data` is required, and each entry must be readable: a reply without it must never be taken for an empty
    list. Null counts as empty. Follow with `after=last_id` while `has_more`.
    """

    object: TolerantText = "list"
    """Always list."""
    data: Annotated[tuple[T, ...], BeforeValidator(_null_as_empty)]
    """The entries, in the order that was asked for."""
    first_id: Tolerant[str] = None
    """The first entry's id; null on an empty page."""
    last_id: Tolerant[str] = None
    """The last entry's id, the cursor of the next page; null on an empty page."""
    has_more: Tolerant[bool] = None
    """Whether there is another page; none: the server did not say."""

    @classmethod
    def _read_text(cls, text: bytes | str) -> Self:
        page = super()._read_text(text)
        # What cannot be cut keeps its parsed object: nothing but digits and repeated keys is lost.
        with suppress(ValueError):
            texts = member_item_texts(utf8_text(text), "data")
            for entry, own in zip(page.data, texts, strict=True):
                if isinstance(entry, WireModel):
                    entry._came_as(own)
        return page
