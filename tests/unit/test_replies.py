"""Which messages of a thread belong into a run's record, whatever the server's filter does."""

from __future__ import annotations

from typing import Any

from threadrun.models import Message, RunStep
from worker.replies import written_by


def message(name: str, run_id: str | None = None, role: str = "assistant") -> Message:
    return Message.from_wire({"id": name, "run_id": run_id, "role": role, "content": []})


def step(message_id: str) -> RunStep:
    details: dict[str, Any] = {"type": "message_creation", "message_creation": {"message_id": message_id}}
    return RunStep.from_wire(
        {"id": f"step_{message_id}", "type": "message_creation", "step_details": details}
    )


def names(*messages: Message, steps: tuple[RunStep, ...] = ()) -> list[str]:
    return [found.id for found in written_by("run_1", messages, steps)]


def test_a_message_of_the_run_is_kept_and_one_of_another_run_is_not() -> None:
    assert names(message("a", "run_1"), message("b", "run_2")) == ["a"]


def test_the_users_own_message_is_never_taken_for_a_reply() -> None:
    assert names(message("question", role="user"), message("answer")) == ["answer"]


def test_a_message_without_a_run_id_counts_if_a_step_names_it() -> None:
    messages = (message("older"), message("named"), message("asked", role="user"))

    assert names(*messages, steps=(step("named"),)) == ["named"]


def test_the_order_of_the_messages_stays() -> None:
    assert names(message("b", "run_1"), message("a", "run_1")) == ["b", "a"]
