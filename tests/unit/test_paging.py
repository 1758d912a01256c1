"""Pages of every form are followed to their end, and no further."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadrun.models import Page, RunStep
from worker.paging import Pages


def page(ids: list[str], times: list[float] | None = None, **more: Any) -> Page[RunStep]:
    entries = [{"id": one} for one in ids]
    for entry, time in zip(entries, times or (), strict=False):
        entry |= {"created_at": time}  # type: ignore[dict-item]
    return Page[RunStep].from_wire(json.dumps({"object": "list", "data": entries, **more}))


def many(first: int, count: int) -> list[str]:
    return [f"s{number}" for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("shown", "more", "after"),
    [
        (page(["a", "b"], has_more=True, last_id="b"), True, "b"),
        (page(["a", "b"], has_more=True, last_id=None), True, "b"),
        (page(["a", "b"], has_more=True), True, "b"),
        (page(["a", "b"], has_more=False, last_id="b"), False, "b"),
        (page(["a", "b"]), False, "b"),
        (page(["a", "b"], has_more=None), False, "b"),
        (page(["a", "b"], has_more="perhaps"), False, "b"),
        (page(many(0, 20)), True, "s19"),
        (page(many(0, 20), has_more=False), False, "s19"),
        (page([], has_more=True), False, None),
        (page([], first_id=None, last_id=None, has_more=False), False, None),
    ],
)
def test_whether_there_is_another_page_and_its_cursor(
    shown: Page[RunStep], more: bool, after: str | None
) -> None:
    pages: Pages[RunStep] = Pages()
    assert (pages.add(shown), pages.after) == (more, after)


def test_a_server_that_takes_no_notice_of_the_cursor_is_asked_twice_and_read_once() -> None:
    pages: Pages[RunStep] = Pages()
    shown = page(["a", "b"], has_more=True)
    assert [pages.add(shown), pages.add(shown)] == [True, False]
    assert [entry.id for entry in pages.entries] == ["a", "b"]


@pytest.mark.parametrize(
    ("times", "order"),
    [([1, 2], "ab"), ([2, 1], "ba"), ([1, 1], "ab"), ([2.5], "ab"), ([], "ab")],
)
def test_entries_come_oldest_first_whatever_the_server_does(times: list[float], order: str) -> None:
    pages: Pages[RunStep] = Pages()
    pages.add(page(["a", "b"], times))
    assert "".join(entry.id for entry in pages.oldest_first) == order
