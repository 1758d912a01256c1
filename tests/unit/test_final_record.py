"""What belongs to the final record is read whole, as far as the provider gives it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.decide.views import NOW, a_run, no, unknown, yes
from threadrun.models import Message, Page, Run, RunStep, Usage
from threadrun.records import ProviderAnswer
from threadrun.status import Outcome, Stage
from worker.decide.seen import Gathered
from worker.final import Closing, final
from worker.gather import Gathering, gather
from worker.lease import ClaimLost
from worker.providers.base import Refusal

ENDED = a_run(Stage.FINALIZE, status="completed", total_calls=3)
USAGE = Usage.from_wire({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})


def step(step_id: str, tokens: int | None = None) -> RunStep:
    usage = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1} if tokens else None
    return RunStep.from_wire({"id": step_id, "usage": usage})


class Books:
    """Give a run, pages of steps and messages, and remember how they were asked for."""

    def __init__(self, *, steps: list[Any], messages: list[Any] | None = None, run: Any = None) -> None:
        self.steps, self.messages, self.run = steps, messages or [yes(Page[Message](data=()))], run
        self.asked: list[tuple[str, str | None]] = []
        self.include: list[tuple[str, ...]] = []

    async def get_run(self, _thread: str, _run: str) -> Any:
        self.asked.append(("run", None))
        return self.run

    async def list_steps(self, _thread: str, _run: str, *, after: str | None, include: Any) -> Any:
        self.asked.append(("steps", after))
        self.include.append(tuple(include))
        return self.steps.pop(0)

    async def list_messages(self, _thread: str, _run: str, *, after: str | None) -> Any:
        self.asked.append(("messages", after))
        return self.messages.pop(0)


async def read(books: Books, usage: Usage | None = USAGE, **options: Any) -> Gathering:
    async def nothing_to_renew() -> None:
        return

    return await gather(books, ENDED, usage, options.pop("before", nothing_to_renew), **options)  # type: ignore[arg-type]


def steps_page(*steps: RunStep, **more: Any) -> Any:
    return yes(Page[RunStep](data=steps, **more))


async def test_every_page_is_followed_in_order():
    books = Books(steps=[steps_page(step("a"), has_more=True, last_id="a"), steps_page(step("b"))])
    found = await read(books, include=["x"])

    assert [one.id for one in found.steps] == ["a", "b"]
    assert books.asked == [("steps", None), ("steps", "a"), ("messages", None)]
    assert books.include == [("x",), ("x",)]


async def test_a_usage_that_is_known_is_not_asked_for_again():
    found = await read(Books(steps=[steps_page()]))

    assert (found.usage, found.usage_source) == (USAGE, "run")
    assert found.seen() == Gathered((), run_usage=True, any_usage=True)


async def test_a_null_usage_is_read_again_from_the_run():
    shown = Run.from_wire({"id": "run_1", "status": "completed", "usage": USAGE.to_wire()})
    found = await read(Books(steps=[steps_page(step("a", 100))], run=yes(shown)), None)

    assert (found.usage.total_tokens, found.usage_source) == (12, "run")


@pytest.mark.parametrize("again", [yes(Run.from_wire({"id": "run_1", "status": "completed"})), unknown()])
async def test_where_it_stays_null_the_steps_are_added_up(again):
    found = await read(Books(steps=[steps_page(step("a", 10), step("b", 20), step("c"))], run=again), None)

    assert (found.usage.total_tokens, found.usage_source) == (32, "steps")
    assert found.seen() == Gathered((), run_usage=False, any_usage=True)


async def test_what_could_not_be_read_is_missing_and_what_could_is_kept():
    books = Books(steps=[steps_page(step("a"), has_more=True), unknown()])
    found = await read(books)

    assert ([one.id for one in found.steps], found.missing, found.refused) == (["a"], ("steps",), False)


@pytest.mark.parametrize(
    ("steps", "messages", "refused"),
    [
        (no(Refusal.NOT_FOUND), no(Refusal.NOT_FOUND), True),
        (no(Refusal.NOT_FOUND), unknown(), False),
        (no(Refusal.RATE_LIMITED), no(Refusal.NOT_FOUND), False),
    ],
)
async def test_asking_again_is_useless_only_if_nothing_missing_can_come(steps, messages, refused):
    assert (await read(Books(steps=[steps], messages=[messages]))).refused is refused


async def test_a_list_without_end_is_read_for_no_longer_than_there_is_time():
    endless = [steps_page(step(f"s{number}"), has_more=True) for number in range(9)]
    books = Books(steps=endless)
    found = await read(books, time_is_up=lambda: len(books.asked) >= 3)

    assert (len(found.steps), found.missing, found.refused) == (3, ("steps",), False)


async def test_more_than_a_record_can_hold_is_left_out_and_not_asked_for_again(monkeypatch):
    monkeypatch.setattr("worker.gather.MAX_BYTES", 1_500)
    endless = [steps_page(step(f"s{number}", 10**400), has_more=True) for number in range(9)]
    found = await read(Books(steps=endless))

    assert (len(found.steps), found.missing, found.refused) == (2, ("steps",), True)


async def test_the_claim_is_seen_to_before_every_request():
    left = 2

    async def lapsing() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ClaimLost

    books = Books(steps=[steps_page(step(f"s{n}"), has_more=True) for n in range(9)])
    with pytest.raises(ClaimLost):
        await read(books, before=lapsing)

    assert len(books.asked) == 2


def closing(**more: Any) -> Closing:
    values = {"missing": (), "model": "gpt", "op": "1.finish", "polls": 4, "requests": 9, "new_requests": 2}
    values |= {"answer": ProviderAnswer(http_status=200), "reason": ""}
    return Closing(outcome=Outcome.COMPLETED, now_ms=NOW, retention_ms=1_000, **{**values, **more})


def test_the_last_event_and_the_canonical_line_tell_the_same():
    write, summary = final(ENDED, Gathering(usage=USAGE, usage_source="run"), closing())

    assert json.loads(write.event) == {"type": "run.finished", **summary}
    assert summary == {
        "outcome": "completed", "status": "completed", "seconds": 5.0, "polls": 4, "requests": 9,
        "tool_calls": 3, "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, "missing": [],
        "http_status": 200, "reason": None,
    }  # fmt: skip
    assert write.requests == 2


def test_the_canonical_line_says_why_a_run_did_not_complete():
    error = {"message": "a text of the provider's", "type": None, "param": None, "code": "invalid_thread"}
    refused = ProviderAnswer(http_status=400, reason="Bad Request", error=error)

    _, rejected = final(ENDED, Gathering(), closing(answer=refused))
    _, failed = final(ENDED, Gathering(), closing(reason="rate_limit_exceeded"))

    assert (rejected["http_status"], rejected["reason"]) == (400, "invalid_thread")
    assert failed["reason"] == "rate_limit_exceeded"
    assert "a text" not in str(rejected)


def test_tokens_and_runs_are_counted_by_day_model_and_assistant():
    write, _ = final(ENDED, Gathering(usage=USAGE), closing())

    assert write.day == "2026-09-21"
    assert write.counters == {
        "runs|gpt|asst_1": 1, "tool_calls|gpt|asst_1": 3, "prompt_tokens|gpt|asst_1": 7,
        "completion_tokens|gpt|asst_1": 5, "total_tokens|gpt|asst_1": 12,
    }  # fmt: skip


def test_a_run_that_shows_another_status_by_now_is_not_taken_over():
    same = Run.from_wire({"id": "run_1", "status": "completed", "usage": USAGE.to_wire()})
    other = Run.from_wire({"id": "run_1", "status": "requires_action", "usage": USAGE.to_wire()})

    def fields(run: Run) -> set[str]:
        return set(final(ENDED, Gathering(run=run, usage=USAGE, usage_source="run"), closing())[0].fields)

    assert "run" in fields(same)
    assert "run" not in fields(other)


def test_what_is_missing_is_in_the_record():
    write, _ = final(ENDED, Gathering(), closing(missing=("steps", "usage")))

    assert json.loads(str(write.fields["missing"])) == ["steps", "usage"]
    assert "usage" not in write.fields
