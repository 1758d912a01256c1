"""What the client must refuse, or must not do twice; nothing of it leaves a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from demo_checks import Problem

from threadrun import RunClient
from threadrun.errors import IdempotencyConflict, InvalidRequest, ThreadBusy, ThreadrunError, UnknownTool


def refusals(client: RunClient, busy_thread_id: str) -> Iterator[tuple[str, Problem]]:
    """Try what must be refused, and give for each what was expected and what came."""

    def enqueue(**options: object) -> Callable[[], object]:
        return lambda: client.enqueue("asst_demo", **{"messages": "say hi", **options})  # type: ignore[arg-type]

    tries: dict[str, tuple[type[ThreadrunError], Callable[[], object]]] = {
        "a tool that no worker serves": (UnknownTool, enqueue(tools=["teleport"])),
        "another request under a known key": (IdempotencyConflict, enqueue(idempotency_key="no-tool")),
        "a busy thread": (ThreadBusy, enqueue(thread_id=busy_thread_id, thread_strategy="reject")),
        "a temperature of 3": (InvalidRequest, enqueue(temperature=3.0)),
        "neither thread nor messages": (InvalidRequest, lambda: client.enqueue("asst_demo")),
    }
    for what, (error, attempt) in tries.items():
        yield what, ("refused as", error.__name__, _error_of(attempt))


def _error_of(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except ThreadrunError as error:
        return type(error).__name__
    return "not refused"
