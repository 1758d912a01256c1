"""Which of a thread's runs is the one that a create of unknown outcome made."""

from __future__ import annotations

from typing import Any

from tests.unit.decide.views import NOW, a_run, intent, no, unknown, yes
from threadrun.models import Page, Run
from threadrun.status import Stage
from worker.adoption import candidates, search
from worker.providers.base import Refusal, Yes
from worker.view import Effect, Progress

SENT = intent(Effect.CREATE_RUN)
OURS = a_run(Stage.CREATE, Progress(intent=SENT))


def run(run_id: str, key: str | None = None, **more: Any) -> Run:
    values = {"assistant_id": "asst_1", "created_at": SENT.sent_ms / 1000 + 1, "metadata": None, **more}
    if key is not None:
        values["metadata"] = {"threadrun_key": key}
    return Run.from_wire({"id": run_id, "status": "queued", **values})


def ids(*runs: Run, of: Any = OURS) -> list[str]:
    return [found.id for found in candidates(runs, of)]


def test_our_key_in_the_metadata_is_proof():
    assert ids(run("a", "other"), run("b", "k1"), run("c")) == ["b"]


def test_where_metadata_comes_back_a_run_without_our_key_is_not_ours():
    assert ids(run("a", "other"), run("b")) == []


def test_where_no_metadata_comes_back_the_single_run_of_our_assistant_since_the_intent_is_ours():
    long_before = SENT.sent_ms / 1000 - 301
    others = (run("b", assistant_id="asst_2"), run("c", created_at=long_before), run("d", created_at=None))

    assert ids(run("a"), *others) == ["a"]


def test_two_such_runs_cannot_be_told_apart():
    assert ids(run("a"), run("b")) == ["a", "b"]


def test_without_an_intent_only_the_key_counts():
    careful = a_run(Stage.CREATE, search_first=True)

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
    return await search(listing, OURS, _nothing_to_renew), listing  # type: ignore[arg-type]


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
