"""Read what belongs to the final record: all steps, the reply messages, and the usage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from threadrun.models import Message, Page, Run, RunStep, Usage
from worker.decide.seen import Gathered
from worker.lease import BeforeRequest
from worker.paging import Pages
from worker.permits import NoPermit
from worker.providers.base import No, Provider, Refusal, Reply, Yes
from worker.replies import written_by
from worker.view import RunView

T = TypeVar("T", RunStep, Message)

MAX_PAGES = 100
"""How many pages of 100 entries are read."""

MAX_BYTES = 64 * 1024 * 1024
"""How long all pages together may be before the rest is left out; Redis itself takes 512 MB in one piece."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """Hold what was read for a record."""

    run: Run | None = None
    """The run read again, where its usage was null."""
    steps: tuple[RunStep, ...] = ()
    messages: tuple[Message, ...] = ()
    missing: tuple[str, ...] = ()
    refused: bool = False
    """What is missing will not come by asking again."""
    held_ms: int = 0
    """For how long there was no permit to ask."""
    usage: Usage | None = None
    usage_source: str = ""

    def seen(self) -> Gathered:
        """Say what `decide` needs of it."""
        return Gathered(
            self.missing,
            run_usage=self.usage_source == "run",
            any_usage=self.usage is not None,
            refused=self.refused,
            held_ms=self.held_ms,
        )


@dataclass(slots=True)
class _Reader:
    provider: Provider
    thread_id: str
    run_id: str
    before_request: BeforeRequest
    time_is_up: Callable[[], bool]
    size_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    refusals: int = 0
    held_ms: int = 0

    async def run(self) -> Run | None:
        if not await self._permitted():
            return None
        reply = await self.provider.get_run(self.thread_id, self.run_id)
        return reply.value if isinstance(reply, Yes) else None

    async def _permitted(self) -> bool:
        if self.held_ms:
            return False
        try:
            await self.before_request()
        except NoPermit as refused:
            self.held_ms = refused.wait_ms
        return not self.held_ms

    async def pages(
        self, name: str, read: Callable[[str | None], Awaitable[Reply[Page[T]]]]
    ) -> tuple[T, ...]:
        found: Pages[T] = Pages()
        for _ in range(MAX_PAGES):
            # The first page is read whatever the time: the last look at a run would otherwise find nothing.
            late = found.after is not None and self.time_is_up()
            if late or not await self._permitted():
                self.missing.append(name)
                break
            reply = await read(found.after)
            if not isinstance(reply, Yes):
                self.missing.append(name)
                self.refusals += isinstance(reply, No) and reply.refusal in {
                    Refusal.NOT_FOUND,
                    Refusal.NO_ROUTE,
                    Refusal.INVALID,
                }
                break
            if not found.add(reply.value):
                break
            self.size_bytes += sum(len(entry.to_wire_json()) for entry in reply.value.data)
            if self.size_bytes > MAX_BYTES:
                self.missing.append(name)
                self.refusals += 1
                break
        return found.oldest_first


async def gather(
    provider: Provider,
    run: RunView,
    known_usage: Usage | None,
    before_request: BeforeRequest,
    include: Sequence[str] = (),
    time_is_up: Callable[[], bool] = lambda: False,
) -> Gathering:
    """Read steps and messages, and the run again where its usage was null.

    Args:
        provider: Where to read.
        run: The ended run.
        known_usage: The run's usage as last seen.
        before_request: Keeps the claim, for all of it together may take longer than a lease.
        include: What the request wanted added to its steps.
        time_is_up: Tells whether to follow no list any further: what was not read by then is missing.

    Raises:
        ClaimLost: Somebody else gathers by now.
    """
    thread_id, run_id = run.thread_id or "", run.run_id or ""
    reader = _Reader(provider, thread_id, run_id, before_request, time_is_up)
    again = await reader.run() if known_usage is None else None
    steps: tuple[RunStep, ...] = await reader.pages(
        "steps", lambda after: provider.list_steps(thread_id, run_id, after=after, include=include)
    )
    messages: tuple[Message, ...] = await reader.pages(
        "messages", lambda after: provider.list_messages(thread_id, run_id, after=after)
    )
    usage = known_usage or (again.usage if again is not None else None)
    source = "run" if usage is not None else ""
    if usage is None and (summed := Usage.sum(step.usage for step in steps)) is not None:
        usage, source = summed, "steps"
    return Gathering(
        run=again,
        steps=steps,
        messages=written_by(run_id, messages, steps),
        missing=tuple(reader.missing),
        refused=bool(reader.missing) and reader.refusals == len(reader.missing),
        held_ms=reader.held_ms,
        usage=usage,
        usage_source=source,
    )
