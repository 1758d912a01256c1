"""Which of a thread's runs is the one that a create of unknown outcome made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.decide.views import NOW, a_run, intent, no, unknown, yes
from threadrun.models import Page, Run
from threadrun.status import Stage
from worker.adoption import by_key, newest, search, without_key
from worker.echo import Echo
from worker.providers.base import Refusal, Yes
from worker.view import Effect, Progress

SENT = intent(Effect.CREATE_RUN)
OURS = a_run(Stage.CREATE, Progress(intent=SENT))
SILENT = a_run(Stage.CREATE, Progress(intent=SENT, newest_before="old"), metadata_echoed=False)
"""Where the server keeps metadata to itself, and `old` was the thread's newest run before the create."""


def run(run_id: str, key: str | None = None, **more: Any) -> Run:
    values = {"assistant_id": "asst_1", "created_at": SENT.sent_ms / 1000 + 1, "metadata": None, **more}
    if key is not None:
        values["metadata"] = {"threadrun_key": key}
    return Run.from_wire({"id": run_id, "status": "queued", **values})


def ids(*runs: Run, of: Any = OURS) -> list[str]:
    return [found.id for found in by_key(runs, of.key) or without_key(runs, of)]


def test_our_key_in_the_metadata_is_proof():
    assert ids(run("a", "other"), run("b", "k1"), run("c")) == ["b"]


def test_where_metadata_comes_back_a_run_without_our_key_is_not_ours():
    assert ids(run("a", "other"), run("b")) == []
    assert ids(run("a")) == []


def test_where_none_comes_back_the_single_newer_run_of_our_assistant_is_ours():
    others = (run("b", assistant_id="asst_2"), run("old"), run("older"))

    assert ids(run("a"), *others, of=SILENT) == ["a"]


@pytest.mark.parametrize("created_at", [None, 0, SENT.sent_ms / 1000 - 10**9, SENT.sent_ms / 1000 + 10**9])
def test_which_run_is_newer_is_told_by_the_order_of_the_list_and_by_no_clock(created_at):
    assert ids(run("a", created_at=created_at), run("old", created_at=created_at), of=SILENT) == ["a"]


def test_two_such_runs_cannot_be_told_apart():
    assert ids(run("a"), run("b"), run("old"), of=SILENT) == ["a", "b"]


def test_on_a_thread_that_had_no_run_every_run_is_newer():
    first = a_run(Stage.CREATE, Progress(intent=SENT, newest_before=""), metadata_echoed=False)

    assert ids(run("a"), of=first) == ["a"]


def test_where_the_newest_before_is_unknown_or_gone_nothing_is_taken_over():
    assert ids(run("a"), run("b", assistant_id="asst_2"), of=SILENT) == []
    unasked = a_run(Stage.CREATE, Progress(intent=SENT), metadata_echoed=False)
    assert ids(run("a"), of=unasked) == []


def test_a_list_that_shows_metadata_after_all_leaves_only_the_key_to_count():
    others = run("b", metadata={"made_by": "another program"})

    assert ids(run("a"), others, run("old"), of=SILENT) == []


def test_the_run_on_a_thread_made_for_ours_is_ours_whatever_the_server_tells():
    assert ids(run("a"), of=a_run(Stage.CREATE, Progress(intent=SENT), own_thread=True)) == ["a"]


def test_without_an_intent_only_the_key_counts():
    careful = a_run(Stage.CREATE, Progress(newest_before=""), search_first=True, metadata_echoed=False)

    assert ids(run("a"), of=careful) == []
    assert ids(run("a", "k1"), of=careful) == ["a"]


class Listing:
    """Give pages, one a request."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.after: list[str | None] = []

    async def list_runs(self, _thread_id: str, *, after: str | None = None) -> Any:
        self.after.append(after)
        return self.replies.pop(0)


async def _nothing_to_renew() -> None:
    return


def page(*runs: Run, has_more: bool = False, last_id: str | None = None) -> Any:
    return yes(Page[Run](data=runs, has_more=has_more, last_id=last_id))


async def searched(*replies: Any) -> tuple[Any, Listing]:
    listing = Listing(*replies)
    return await search(listing, OURS, _nothing_to_renew, Echo()), listing  # type: ignore[arg-type]


async def test_pages_are_read_until_it_is_found_and_no_further():
    many = page(run("a", "x"), has_more=True, last_id="a")
    reply, listing = await searched(many, page(run("b", "k1"), has_more=True), page())

    assert isinstance(reply, Yes)
    assert ([one.id for one in reply.value], listing.after) == (["b"], [None, "a"])


async def test_a_page_without_a_cursor_is_followed_by_its_last_id():
    _, listing = await searched(page(run("a", "x"), run("b", "x"), has_more=True), page())

    assert listing.after == [None, "b"]


async def test_a_server_that_always_has_more_is_not_read_for_ever():
    _, listing = await searched(*[page(run(f"r{n}", "x"), has_more=True) for n in range(50)])

    assert len(listing.after) == 10


async def test_an_empty_page_ends_the_search_whatever_it_says():
    reply, _ = await searched(page(has_more=True))

    assert reply.value == ()


async def test_a_page_that_cannot_be_read_is_the_answer():
    for failed in (unknown(), no(Refusal.NOT_FOUND)):
        reply, _ = await searched(page(run("a", "x"), has_more=True), failed)
        assert reply is failed
    assert SENT.not_after_ms < NOW


async def test_the_newest_run_is_the_first_of_the_list():
    async def asked(*replies: Any) -> Any:
        return await newest(Listing(*replies), OURS, _nothing_to_renew)  # type: ignore[arg-type]

    assert (await asked(page(run("b"), run("a"), has_more=True))).value == "b"
    assert (await asked(page())).value == ""
    assert await asked(failed := unknown()) is failed
