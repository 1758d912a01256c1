"""What a provider that pushes back does to runs: they rest together, lose nothing, and still end in time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from tests.integration.engine.scripted_provider import ScriptedProvider
from threadrun.records import ProviderAnswer
from threadrun.status import Outcome, Stage
from worker.permits import Limits
from worker.providers.base import No, Refusal, Unknown
from worker.store.gates import Kind, Rate

BUSY = ProviderAnswer(429, "Too Many Requests")
DOWN = Unknown("server_error", ProviderAnswer(503, "Service Unavailable"))
LATE = 2
"""No one comes back later than so many seconds after a pause."""


def too_many(seconds: float | None = None) -> No:
    return No(Refusal.RATE_LIMITED, BUSY, seconds)


def break_down(house) -> None:
    """From now on every request fails."""
    for operation in ("create_thread", "create_run", "get_run", "list_runs", "list_steps", "list_messages",
                      "cancel_run", "submit_tool_outputs"):  # fmt: skip
        house.provider.answers[operation] = [DOWN] * 10_000


def enqueue(house, number: int, **options) -> list[str]:
    return [house.enqueue(thread_id=f"thread_{at}", **options) for at in range(number)]


async def test_one_runs_429_makes_all_runs_of_the_profile_rest_without_a_request_or_an_intent(new_house):
    house = new_house()
    (first,) = enqueue(house, 1)
    house.provider.answers["create_run"] = [too_many(5.0)]
    await house.serve(Stage.CREATE)
    others = [house.enqueue(thread_id=f"thread_more_{at}") for at in range(5)]
    await house.serve(Stage.CREATE, house.engine(store=house.new_store()))

    assert house.provider.requests == ["create_run"]
    for key in others:
        stored = house.stored(key)
        assert (stored["version"], stored.get("progress", "{}"), stored.get("requests", "0")) == (
            "1",
            "{}",
            "0",
        )
        assert house.events(key) == ["run.enqueued"]
    assert 5 <= house.due()[Stage.CREATE] <= 5 + LATE

    await house.carry()
    assert {house.record(key).outcome for key in (first, *others)} == {Outcome.COMPLETED}


async def test_those_who_rest_do_not_come_back_all_at_once(new_house):
    house = new_house()
    enqueue(house, 21)
    house.provider.answers["create_run"] = [too_many(8.0)]
    await house.serve(Stage.CREATE, house.engine(slots=1))
    agenda = house.backend.keys.agenda(Stage.CREATE, "default")
    due = {score for _, score in house.backend.sync.zrange(agenda, 0, -1, withscores=True)}

    assert len(due) >= 20
    assert max(due) - house.backend.now_ms() <= (8 + LATE) * 1000


async def test_posts_that_are_paused_do_not_keep_runs_from_being_read(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    enqueue(house, 1)
    await house.carry(until=Stage.POLL)
    house.turn(house.due()[Stage.POLL])
    house.enqueue(thread_id="thread_x")
    house.provider.answers["create_run"] = [too_many(60.0)]
    await house.serve(Stage.CREATE)
    await house.serve(Stage.POLL)

    assert house.provider.requests[-1] == "get_run"


async def test_each_pause_and_its_end_is_logged_once_whoever_meets_it(new_house):
    house = new_house()
    enqueue(house, 5)
    house.provider.answers["create_run"] = [too_many(3.0)] * 5
    with capture_logs() as logs:
        await house.serve(Stage.CREATE)
        house.turn(3 + LATE)
        await house.carry()
    lines = [
        (line["event"], line["profile"], line["kind"], line.get("reason"), line.get("seconds"))
        for line in logs
        if line["event"].startswith("profile.")
    ]

    assert lines == [
        ("profile.paused", "default", "POST", "rate_limited", 3.0),
        ("profile.resumed", "default", "POST", None, None),
    ]


async def test_a_thread_that_was_made_before_the_pause_is_kept(new_house):
    house = new_house()
    key = house.enqueue()

    async def refuse_others(operation: str, when: str) -> None:
        if (operation, when) == ("create_thread", "after"):
            await house.desk().permits.note(Kind.POST, too_many(5.0), 0)

    house.provider.hook = refuse_others
    await house.serve(Stage.CREATE)
    assert house.events(key) == ["run.enqueued", "thread.created"]
    assert house.record(key).thread_id == "thread_1"
    assert 5 <= house.due()[Stage.CREATE] <= 5 + LATE

    await house.carry()
    assert house.provider.threads == ["thread_1"]
    assert house.record(key).outcome == Outcome.COMPLETED


async def test_tool_calls_are_sent_while_the_provider_cannot_be_asked(new_house):
    house = new_house(ScriptedProvider(["add"]))
    key = house.enqueue()
    await house.carry(until=Stage.TOOLS)
    house.outbox.take("tools.execute")
    await house.desk().permits.note(Kind.GET, too_many(60.0), 0)
    reads = house.provider.requests.count("get_run")
    while not (again := house.outbox.take("tools.execute")):
        house.turn(max(0.001, house.due()[Stage.TOOLS]))
        await house.serve(Stage.TOOLS)

    assert [message.args for message in again] == [(key, 1, 0)]
    assert house.provider.requests.count("get_run") == reads


async def test_a_broken_provider_is_left_alone_by_all_and_asked_by_one_until_it_works(new_house):
    house = new_house()
    house.limits = Limits(breaker_failures=3)
    keys = enqueue(house, 8)
    house.provider.answers["create_run"] = [No(Refusal.NEVER_SENT, ProviderAnswer(reason="refused"))] * 6
    await house.serve(Stage.CREATE, house.engine(slots=1))
    assert len(house.provider.requests) == 3

    house.turn(3.5)
    await house.serve(Stage.CREATE, house.engine(slots=1))
    assert len(house.provider.requests) == 4

    await house.carry(most=400)
    assert {house.record(key).outcome for key in keys} == {Outcome.COMPLETED}
    assert len(house.provider.runs) == 8


@pytest.mark.parametrize(
    ("stage", "outcome", "unconfirmed"),
    [
        (Stage.CREATE, Outcome.TIMED_OUT, None),
        (Stage.POLL, Outcome.TIMED_OUT, True),
        (Stage.TOOLS, Outcome.TIMED_OUT, True),
        (Stage.FINALIZE, Outcome.COMPLETED, False),
    ],
)
async def test_a_run_whose_provider_never_comes_back_ends_at_its_deadlines(
    new_house, stage, outcome, unconfirmed
):
    house = new_house(ScriptedProvider(["add"]))
    house.limits = Limits(breaker_failures=2)
    key = house.enqueue(thread_id="thread_x", deadline_seconds=60)
    if stage is not Stage.CREATE:
        await house.carry(until=stage)
    break_down(house)
    if stage is Stage.CREATE:  # else the create's own outcome would be unknown
        house.provider.answers["create_run"] = [No(Refusal.NEVER_SENT, ProviderAnswer())] * 1_000
    began = house.seconds
    asked = len(house.provider.requests)
    await house.carry(most=2_000)

    record = house.record(key)
    assert (record.stage, record.outcome) == (Stage.DONE, outcome)
    ended = next(event for event in record.transitions if event.type == "run.ended")
    assert unconfirmed in (None, ended.data["unconfirmed"])
    assert house.seconds - began <= 60 + 120 + 120 + LATE
    assert len(house.provider.requests) - asked <= 40


async def test_a_run_that_could_never_be_sent_says_so_at_its_end(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x", deadline_seconds=60)
    house.provider.answers["create_run"] = [No(Refusal.NEVER_SENT, ProviderAnswer())] * 1_000
    await house.carry(most=2_000)

    finished = house.record(key).transitions[-1]
    assert (finished.type, finished.data["outcome"]) == ("run.finished", "timed_out")
    assert finished.data["reason"] == "never_sent"


async def test_a_create_of_unknown_outcome_that_can_never_be_searched_for_ends_lost(new_house):
    house = new_house()
    house.limits = Limits(breaker_failures=1)
    key = house.enqueue(thread_id="thread_x", deadline_seconds=60)
    break_down(house)
    began = house.seconds
    await house.carry(most=2_000)

    assert house.record(key).outcome == Outcome.LOST
    assert house.seconds - began <= 60 + 120 + LATE


async def test_resting_counts_no_error_and_no_poll(new_house):
    house = new_house(ScriptedProvider(end="in_progress"))
    key = house.enqueue(thread_id="thread_x")
    await house.carry(until=Stage.POLL)
    before = house.stored(key)
    await house.desk().permits.note(Kind.GET, too_many(30.0), 0)
    house.turn(house.due()[Stage.POLL])
    for _ in range(3):
        await house.serve(Stage.POLL)
    after = house.stored(key)

    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= {"claim", "lease_ms"}


async def test_a_wish_to_cancel_ends_a_run_whose_create_is_held_at_once(new_house):
    house = new_house()
    key = house.enqueue(thread_id="thread_x")
    await house.desk().permits.note(Kind.POST, too_many(60.0), 0)
    await house.serve(Stage.CREATE)
    house.client.cancel(key)
    await house.carry()

    assert house.record(key).outcome == Outcome.CANCELLED
    assert house.provider.requests == []


async def test_with_a_rate_runs_are_carried_to_their_end_however_many_compete(new_house):
    house = new_house()
    house.limits = Limits(gets=Rate(200, 1), posts=Rate(200, 1))
    keys = enqueue(house, 12)
    await house.carry(most=2_000)

    assert {house.record(key).outcome for key in keys} == {Outcome.COMPLETED}
    assert {house.record(key).missing for key in keys} == {()}


async def test_what_was_begun_waits_for_its_place_and_is_not_begun_again(new_house, monkeypatch):
    house = new_house()
    key = house.enqueue()
    await house.carry(until=Stage.POLL)
    house.limits = Limits(gets=Rate(per_second=0.25, burst=1))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        house.turn(seconds)

    monkeypatch.setattr("worker.permits.asyncio", SimpleNamespace(sleep=sleep))
    await house.carry()

    assert house.record(key).outcome == Outcome.COMPLETED
    assert [house.provider.requests.count(name) for name in ("list_steps", "list_messages")] == [1, 1]
    assert waits == [4.0, 4.0]


async def test_while_all_is_well_and_no_rate_is_set_no_permit_costs_a_round_trip(new_house):
    house = new_house()

    async def never(*_args: object, **_options: object) -> None:
        raise AssertionError("Redis was asked")

    house.store.gates.permit = never
    house.store.gates.note = never
    key = house.enqueue()
    await house.carry()

    assert house.record(key).outcome == Outcome.COMPLETED
