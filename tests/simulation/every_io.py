"""List every kind of I/O that the code has, read from the code: what no life has shown was forgotten."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any, cast

import worker
from tests.simulation.provider_server import BASE_URL, request_name
from tests.simulation.seam import scripts
from threadrun.request import RunRequest
from worker.providers import AssistantsProvider, ProfileConnection
from worker.providers.base import Provider
from worker.tick import TASK_OF_STAGE
from worker.transport.outcome import NeverSent, Unsent

NO_RUNS = frozenset(
    {"prelude", "purge", "forget", "call_release", "call_resolve", "run_release", "failed", "unread"}
)
"""Scripts that no run comes by: what stands before each, operators' commands, and what counts our own defects
and records that cannot be read."""

_COMMAND = re.compile(r"_(?:client|redis)\.(\w+)\(")
_NO_COMMANDS = frozenset({"register_script", "close", "aclose"})
_ARGUMENTS: dict[str, Any] = {
    "thread_id": "t", "run_id": "r", "run_key": "k", "after": None, "outputs": (), "include": (),
    "request": RunRequest(assistant_id="a", messages=({"role": "user", "content": "x"},)),
}  # fmt: skip


def every_io() -> frozenset[str]:
    """Name every kind of I/O, as the seam names it."""
    published = {*TASK_OF_STAGE.values(), "tools.execute", "shop.done"}
    return frozenset(
        {f"script {name}" for name in scripts().keys() - NO_RUNS}
        | {f"redis {name}" for name in _commands()}
        | {f"http {name}" for name in _requests()}
        | {f"publish {task}" for task in published}
        | {"handler entry", "handler exit"}
    )


def seen_io(step_names: set[str]) -> frozenset[str]:
    return frozenset(name.rsplit(" ", 1)[0] if name != "handler exit" else name for name in step_names)


def _commands() -> set[str]:
    files = Path(worker.__file__).parent.rglob("*.py")
    found = {name for file in files for name in _COMMAND.findall(file.read_text(encoding="utf-8"))}
    return found - _NO_COMMANDS


class _Noting:
    def __init__(self) -> None:
        self.names: set[str] = set()

    async def send(self, method: str, url: str, *_: Any) -> NeverSent:
        self.names.add(request_name(method, url))
        return NeverSent(Unsent.REFUSED, "")


def _requests() -> set[str]:
    noting = _Noting()
    provider = AssistantsProvider(ProfileConnection("p", BASE_URL), transport=cast(Any, noting))
    for name, method in inspect.getmembers(Provider, inspect.iscoroutinefunction):
        if name != "close":
            wanted = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
            positional = [_ARGUMENTS[p.name] for p in wanted if p.kind is not p.KEYWORD_ONLY]
            named = {p.name: _ARGUMENTS[p.name] for p in wanted if p.kind is p.KEYWORD_ONLY}
            asyncio.run(getattr(provider, name)(*positional, **named))
    return noting.names
