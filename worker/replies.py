"""Tell which messages of a thread a run wrote, for servers that ignore the filter by run id."""

from __future__ import annotations

from collections.abc import Sequence

from threadrun.models import Message, RunStep


def written_by(run_id: str, messages: Sequence[Message], steps: Sequence[RunStep]) -> tuple[Message, ...]:
    """Keep the messages that the run wrote, in order.

    A message says so itself, or one of the run's steps does. One that says nothing counts if an assistant wrote
    it and no step names any message: better one too many than an answer lost.
    """
    named = {step.message_id for step in steps} - {None}

    def is_ours(message: Message) -> bool:
        if message.run_id:
            return message.run_id == run_id
        return message.id in named or (not named and message.role == "assistant")

    return tuple(message for message in messages if is_ours(message))
