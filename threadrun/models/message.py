"""One message of a thread."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from threadrun.models.incomplete_details import IncompleteDetails
from threadrun.models.message_part import MessagePart, TextPart
from threadrun.models.tolerant import Number, Tolerant, TolerantObject, TolerantText, TolerantTuple
from threadrun.models.wire import WireModel


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Attachment(WireModel):
    """Name a file that came with a message, and the tools that may read it."""

    file_id: Tolerant[str] = None
    """The file."""
    tools: TolerantTuple[dict[str, Any]] = ()
    """`{"type": "file_search"}` or `{"type": "code_interpreter"}` each."""


class Message(WireModel):
    """Hold a message as the provider shows it (MessageObject). Only the id is required.

    Times are seconds since 1970 by the provider's clock.
    """

    id: str
    """The message's id, of any form."""
    object: TolerantText = "thread.message"
    """Always thread.message."""
    created_at: Tolerant[Number] = None
    """When it was created."""
    thread_id: Tolerant[str] = None
    """Its thread."""
    run_id: Tolerant[str] = None
    """The run that wrote it; null for a caller's message."""
    assistant_id: Tolerant[str] = None
    """The assistant that wrote it; null for a caller's message."""
    role: TolerantText = ""
    """user or assistant."""
    status: Tolerant[str] = None
    """in_progress, incomplete or completed; absent from recorded lists."""
    content: Annotated[TolerantTuple[MessagePart], BeforeValidator(_as_parts)] = ()
    """Its parts, in order. A bare string, as some servers send, is one text part."""
    attachments: TolerantTuple[Attachment] = ()
    """The files that came with it; null on some servers."""
    metadata: TolerantObject = Field(default_factory=dict)
    """The caller's pairs of strings."""
    completed_at: Tolerant[Number] = None
    """When it was completed; absent from recorded lists."""
    incomplete_at: Tolerant[Number] = None
    """When it was left incomplete."""
    incomplete_details: Tolerant[IncompleteDetails] = None
    """Why it is incomplete."""

    @property
    def text(self) -> str:
        """The text parts, joined by newlines; images and other parts are left out."""
        return "\n".join(part.value for part in self.content if isinstance(part, TextPart))
