"""Providers: adapters from the engine's questions to one kind of run API each."""

from worker.providers.assistants import AssistantsProvider
from worker.providers.base import (
    Capabilities,
    No,
    Provider,
    Refusal,
    Reply,
    ToolAnswer,
    ToolApproval,
    ToolOutput,
    Unknown,
    Yes,
)
from worker.providers.profile import ProfileConnection

__all__ = [
    "AssistantsProvider",
    "Capabilities",
    "No",
    "ProfileConnection",
    "Provider",
    "Refusal",
    "Reply",
    "ToolAnswer",
    "ToolApproval",
    "ToolOutput",
    "Unknown",
    "Yes",
]
