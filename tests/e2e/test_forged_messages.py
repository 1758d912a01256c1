"""Whoever can write to the broker can at worst cause a look: every forged message is refused, and the workers live."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Effects
from tests.e2e.forged import Forger
from threadrun.errors import IdempotencyConflict, InvalidRequest, ThreadrunError, UnknownProfile
from threadrun.testing import LocalStack

PATIENCE_SECONDS = 150
"""Longer than a message that was taken and not acknowledged stays away from the queue."""

RIGHT = {"runs": ("runs.poll", ["default"]), "tools": ("tools.execute", ["nobodys", 1, 0])}


@pytest.fixture
def forger(stack: LocalStack) -> Iterator[Forger]:
    made = Forger(stack)
    yield made
    made.close()


def until_taken(forger: Forger, queue: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while forger.waiting(queue):
        assert time.monotonic() < give_up_at, "the worker takes no more messages"
        time.sleep(0.02)


def logged(stack: LocalStack, kind: str, since: int) -> list[dict[str, str]]:
    whole, _, _ = stack.logs(kind)[since:].rpartition("\n")  # the last line may be half written
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def until_said(stack: LocalStack, kind: str, since: int, refusals: float) -> None:
    """Wait until the worker has said so often what it refuses; what it took last it may still have in hand."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        events = Counter(line["event"] for line in logged(stack, kind, since))
        if events["message.refused"] + events["tool.refused_unknown"] > refusals:
            return
        assert time.monotonic() < give_up_at, f"more than {refusals:g} of {dict(events)}"
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_a_worker_outlives_every_forged_message_and_says_what_it_refused(
    stack: LocalStack, forger: Forger, effects: Effects, kind: str
) -> None:
    pid, began = stack.pid(kind), len(stack.logs(kind))
    results = forger.results()
    sent = sum(1 for _ in forger.everything(kind, *RIGHT[kind]))
    until_taken(forger, kind)
    run = stack.client.enqueue("asst_demo", messages='call add {"a": 2, "b": 3}\nsay $1', tools=["add"])
    record = run.wait(PATIENCE_SECONDS)

    assert (record.outcome, record.output_text, effects(run.key)) == ("completed", "5", {"add": 1})
    assert (stack.running(kind), stack.pid(kind)) == (True, pid)
    assert sent > 120
    # The rest only adds what is ignored, such as stamps: it causes a look.
    until_said(stack, kind, began, 0.85 * sent)
    lines = logged(stack, kind, began)
    assert [line for line in lines if line["level"] == "error"] == []
    assert forger.results() == results  # nothing is kept for messages that nobody waits for


def test_what_stands_in_the_place_of_an_identifier_is_told_to_nobody(
    stack: LocalStack, forger: Forger
) -> None:
    secret, began = "hunter2hunter2", len(stack.logs("runs"))
    forger.task("runs", secret, ["default"])
    for place in ("id", "root_id", "parent_id", "group"):
        forger.task("runs", "runs.poll", ["default"], **{place: secret})
    forger.task("runs", "runs.poll", ["default"], argsrepr=secret, kwargsrepr=secret)
    until_taken(forger, "runs")
    stack.client.enqueue("asst_demo", messages="hi").wait(PATIENCE_SECONDS)

    events = Counter(line["event"] for line in logged(stack, "runs", began))
    assert events["message.refused"] == 5
    assert secret not in stack.logs("runs")


def test_a_call_that_was_served_is_not_served_again_however_often_its_message_comes(
    stack: LocalStack, forger: Forger, effects: Effects
) -> None:
    run = stack.client.enqueue("asst_demo", messages='call add {"a": 1, "b": 1}\nsay $1', tools=["add"])
    before = run.wait(PATIENCE_SECONDS)
    began = len(stack.logs("tools"))
    for _ in range(20):
        forger.task("tools", "tools.execute", [run.key, 1, 0])
    until_taken(forger, "tools")
    forger.task("runs", "runs.enqueue", [{"assistant_id": "asst_demo"}], eta="2999-01-01T00:00:00")
    stack.client.enqueue("asst_demo", messages="hi").wait(PATIENCE_SECONDS)

    assert effects(run.key) == {"add": 1}
    assert run.get() == before
    events = Counter(line["event"] for line in logged(stack, "tools", began))
    assert events["tool.not_claimed"] == 20


def test_a_caller_who_waits_for_a_run_key_is_told_of_the_refusal(stack: LocalStack, forger: Forger) -> None:
    asked = forger.app.send_task(
        "runs.enqueue", [{"assistant_id": "asst_demo"}], queue="runs", countdown=60, ignore_result=False
    )
    with pytest.raises(InvalidRequest, match="one request and nothing else"):
        asked.get(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ({"messages": "another"}, IdempotencyConflict("taken")),
        ({"messages": "hi", "profile": "nowhere"}, UnknownProfile("nowhere", ["default"])),
    ],
)
def test_a_caller_who_waits_for_a_run_key_gets_the_refusal_itself(
    wanted: dict[str, str], refusal: ThreadrunError, stack: LocalStack, forger: Forger
) -> None:
    stack.client.enqueue("asst_demo", messages="hi", idempotency_key="taken")
    request = {"assistant_id": "asst_demo", "idempotency_key": "taken", **wanted}
    with pytest.raises(type(refusal)) as caught:
        forger.app.send_task("runs.enqueue", [request], queue="runs").get(timeout=PATIENCE_SECONDS)
    assert (str(caught.value), vars(caught.value)) == (str(refusal), vars(refusal))


def test_a_worker_says_what_it_serves(stack: LocalStack) -> None:
    (runs,) = [line for line in logged(stack, "runs", 0) if line["event"] == "worker.started"]
    (tools,) = [line for line in logged(stack, "tools", 0) if line["event"] == "worker.started"]

    assert (runs["queues"], runs["profiles"]) == (["runs"], ["default"])
    assert (tools["queues"], tools["kind"]) == (["tools"], "tools")
    assert "add" in tools["tools"]
    assert tools["version"]
