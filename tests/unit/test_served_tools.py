"""The engine knows which tools are served, without asking Redis for each run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadrun.keys import Keys
from worker.decide.seen import ToolSpec
from worker.desk import ServedTools

KEYS = Keys("t:")


class Catalogue:
    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.reads = 0

    def serve(self, name: str, **more: Any) -> None:
        self.entries[name] = {"queue": "tools", "timeout_seconds": 60, "idempotent": False, **more}

    async def hgetall(self, key: str) -> dict[str, str]:
        assert key == KEYS.tools()
        self.reads += 1
        return {name: json.dumps(entry) for name, entry in self.entries.items()}


@pytest.fixture
def catalogue() -> Catalogue:
    made = Catalogue()
    made.serve("add", queue="slow", timeout_seconds=5, idempotent=True, definition={}, retries=2)
    return made


async def test_an_entry_says_where_and_how_long_a_call_runs(catalogue):
    tools = ServedTools(catalogue, KEYS)

    assert await tools.get(frozenset({"add"})) == {"add": ToolSpec("slow", 5.0, idempotent=True)}


async def test_what_was_read_is_used_again_for_a_while(catalogue):
    tools = ServedTools(catalogue, KEYS)
    for _ in range(5):
        await tools.get(frozenset({"add"}))

    assert catalogue.reads == 1


async def test_a_name_that_is_not_known_is_looked_for_at_once(catalogue):
    tools = ServedTools(catalogue, KEYS)
    await tools.get(frozenset({"add"}))
    catalogue.serve("new")

    assert "new" in await tools.get(frozenset({"new"}))


async def test_a_tool_that_changed_is_known_anew_after_some_seconds(catalogue, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("worker.desk.time.monotonic", lambda: now[0])
    tools = ServedTools(catalogue, KEYS)
    await tools.get(frozenset({"add"}))
    catalogue.serve("add", queue="fast")
    now[0] += 5.1

    assert (await tools.get(frozenset({"add"})))["add"].queue == "fast"
