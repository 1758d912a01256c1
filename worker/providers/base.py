"""What the engine asks of a provider, and the three answers it gets: yes, no, unknown.

A provider is an adapter to one kind of run API. It performs one request a call, never retries, never
decides: it says what was answered. Foreign exceptions end here; none reaches the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeAlias, TypeVar

from threadrun.models import Message, Page, Run, RunStep
from threadrun.records import ProviderAnswer
from threadrun.request import RunRequest

T = TypeVar("T")


class Refusal(StrEnum):
    """Name why a request had no effect."""

    NEVER_SENT = "never_sent"
    """The connection could not be made; the provider knows nothing of it."""
    INVALID = "invalid"
    """400, 413, 422 and the other 4xx: repeating the same bytes will be refused again."""
    UNAUTHORIZED = "unauthorized"
    """401, 403: the profile's key or its rights are wrong."""
    NOT_FOUND = "not_found"
    """404: the thread or run does not exist (some servers say it for a wrong status)."""
    NO_ROUTE = "no_route"
    """404 in a web server's own words: the profile's base URL leads past the API, or the server lacks this request."""
    RATE_LIMITED = "rate_limited"
    """429: later."""
    BUSY_THREAD = "busy_thread"
    """400: the thread has an active run; `blocking_run_id` names it."""
    WRONG_STATUS = "wrong_status"
    """400: the run's status does not allow this; read the run and decide."""


OUTSIDE = frozenset({Refusal.NEVER_SENT, Refusal.RATE_LIMITED, Refusal.UNAUTHORIZED, Refusal.NO_ROUTE})
"""Refusals that say nothing about the run: it waits until they pass, or until somebody mends the profile."""


@dataclass(frozen=True, slots=True)
class Yes(Generic[T]):
    """Carry what a 2xx answer said; the request had its effect."""

    value: T
    answer: ProviderAnswer
    poll_after_seconds: float | None = None
    """The provider's hint not to look again sooner (`openai-poll-after-ms`, `Retry-After`)."""


@dataclass(frozen=True, slots=True)
class No:
    """Say that the request had no effect, and why."""

    refusal: Refusal
    answer: ProviderAnswer
    retry_after_seconds: float | None = None
    blocking_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Say that the request may or may not have had its effect (409, 5xx, broken off, unreadable …)."""

    reason: str
    """One word: `timeout`, `connection_lost`, `bad_response` (not HTTP), `bad_body`, `too_large`, `conflict`,
    `redirect`, `server_error`."""
    answer: ProviderAnswer
    retry_after_seconds: float | None = None


Reply: TypeAlias = Yes[T] | No | Unknown


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """Pair a tool call id with the string that answers it."""

    tool_call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class ToolApproval:
    """Say whether the provider may run a tool of an MCP server."""

    tool_call_id: str
    approve: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the MCP server is to be sent, as in the request's tool_resources; the provider does not keep it."""


ToolAnswer: TypeAlias = ToolOutput | ToolApproval
"""What answers one call of a required action; the calls of one action want all outputs, or all approvals."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Say what a provider's API can do, so that the engine never asks for a vendor's name."""

    metadata_echoed: bool = True
    """Run metadata comes back on reads, so a run can be found by our run key."""
    lists_runs: bool = True
    """The runs of a thread can be listed."""
    new_run_id_each_round: bool = False
    """Submitting tool outputs answers with another run id to follow."""
    request_limits: dict[str, int] = field(default_factory=dict)


class Provider(Protocol):
    """Speak to one configured provider.

    Every method performs exactly one HTTP request within the profile's request deadline and never raises
    for anything the network or the provider does.
    """

    capabilities: Capabilities

    async def create_thread(self, request: RunRequest, *, run_key: str) -> Reply[str]:
        """Create a thread holding the request's messages; answer its id."""

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        """Create the run; its metadata carries the run key."""

    async def get_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """Read the run."""

    async def list_runs(self, thread_id: str, *, after: str | None = None) -> Reply[Page[Run]]:
        """Read one page of the thread's runs, newest first."""

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, outputs: Sequence[ToolAnswer]
    ) -> Reply[Run]:
        """Send all outputs, or approvals, of a required action in one request; the same give the same bytes."""

    async def cancel_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """Ask for the run's cancellation."""

    async def list_steps(
        self, thread_id: str, run_id: str, *, after: str | None = None, include: Sequence[str] = ()
    ) -> Reply[Page[RunStep]]:
        """Read one page of the run's steps, oldest first; `include` is the request's own."""

    async def list_messages(
        self, thread_id: str, run_id: str, *, after: str | None = None
    ) -> Reply[Page[Message]]:
        """Read one page of the messages that the run wrote, oldest first."""

    async def close(self) -> None:
        """Close its connections."""
