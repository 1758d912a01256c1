"""List pages: order, limit, after, before, and the envelope around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from threadrun.testing.checks import integer, word
from threadrun.testing.exchange import ApiRequest
from threadrun.testing.objects import JsonObject
from threadrun.testing.refusals import invalid_type, not_found

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class _HasId(Protocol):
    id: str


T = TypeVar("T", bound=_HasId)


def page(request: ApiRequest, items: Sequence[T], render: Callable[[T], JsonObject], what: str) -> JsonObject:
    """Render the page that a request asks for of items that are given oldest first.

    Raises:
        RefusedError: if limit, order or a cursor is not valid; `what` names the items for an unknown cursor.
    """
    query = request.query()
    limit = integer(1, MAX_LIMIT)(_number(query.get("limit", str(DEFAULT_LIMIT))), "limit")
    descending = word("asc", "desc")(query.get("order", "desc"), "order") == "desc"
    ordered = list(reversed(items)) if descending else list(items)
    if "after" in query:
        ordered = ordered[_index(ordered, query["after"], what) + 1 :]
    if "before" in query:
        ordered = ordered[: _index(ordered, query["before"], what)]
        shown = ordered[-limit:]
    else:
        shown = ordered[:limit]
    return {
        "object": "list",
        "data": [render(item) for item in shown],
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
        "has_more": len(ordered) > len(shown),
    }


def _number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise invalid_type("limit", "an integer", "a string") from None


def _index(items: Sequence[T], item_id: str, what: str) -> int:
    for index, item in enumerate(items):
        if item.id == item_id:
            return index
    raise not_found(what, item_id)
