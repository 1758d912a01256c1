"""The caller's task is sent when the record is final, and not before; at least once."""

from __future__ import annotations

from concurrent.futures import Future

from threadrun.status import Stage


def tasks(house) -> list[tuple[str, str, dict]]:
    return [(message.task, message.queue, dict(message.kwargs)) for message in house.outbox.sent]


async def test_the_task_is_sent_once_with_key_and_outcome_to_its_queue(new_house):
    house = new_house()
    key = house.enqueue(on_done={"task": "shop.done", "queue": "shop"})
    await house.carry()

    assert tasks(house) == [("shop.done", "shop", {"run_key": key, "outcome": "completed"})]
    assert house.due() == {}


async def test_it_is_sent_only_after_the_final_record(new_house):
    house = new_house()
    key = house.enqueue(on_done="shop.done")
    seen = []
    send = house.outbox.send

    def sending(message):
        seen.append(house.record(key).final)
        return send(message)

    house.outbox.send = sending
    await house.carry()

    assert seen == [True]


async def test_a_broker_that_refuses_is_asked_again_after_the_lease(new_house):
    house = new_house()
    house.enqueue(on_done="shop.done")
    house.outbox.down = True
    await house.carry(until=Stage.FINALIZE)
    for _ in range(3):
        await house.serve(Stage.FINALIZE)
    assert tasks(house) == []
    assert house.due()[Stage.FINALIZE] == 20

    house.outbox.down = False
    await house.carry()
    assert len(tasks(house)) == 1


async def test_a_broker_that_never_answers_holds_the_run_no_longer_than_a_lease(new_house, monkeypatch):
    monkeypatch.setattr("worker.tell.TELL_TIMEOUT_SECONDS", 0.01)
    house = new_house()
    house.enqueue(on_done="shop.done")
    answers: list[Future[None]] = []

    def swallow(message):
        answers.append(Future())
        return answers[-1]

    house.outbox.send = swallow
    await house.carry(until=Stage.FINALIZE)
    for _ in range(2):
        await house.serve(Stage.FINALIZE)

    assert house.due()[Stage.FINALIZE] == 20
    assert [answer.cancelled() for answer in answers] == [True]


async def test_who_asked_for_nothing_is_told_nothing(new_house):
    house = new_house()
    house.enqueue()
    await house.carry()

    assert (tasks(house), house.due()) == ([], {})
