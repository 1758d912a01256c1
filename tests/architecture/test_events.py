"""Every event that the code can store or log is documented, by name, in code and README; and no other is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from threadrun.events import LOGGED_EVENTS, STORED_EVENTS

ROOT = Path(__file__).parents[2]
ROOMS = ("threadrun", "config", "worker", "tasks")
DOTTED = re.compile(r"[a-z_]+\.[a-z_]+")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
CHECKS = {"redis", "pool", "queue", "rooms", "settings"}
"""Start-up findings are logged under the names of their checks; their text carries the remedy."""


def literals(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and DOTTED.fullmatch(child.value):
            yield child.value


def names_in_code() -> set[str]:
    found: set[str] = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if "testing" in path.parts or "cli" in path.parts or path.name == "events.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                called = ast.unparse(node.func)
                if called == "Event" or called.rpartition(".")[2] in LEVELS:
                    found.update(literals(node.args[0]))
    for script in ROOT.glob("*/**/*.lua"):
        found.update(re.findall(r'"type":"([a-z_.]+)"', script.read_text()))
    return {name for name in found if name.split(".")[0] not in CHECKS}


def test_every_event_in_the_code_is_documented() -> None:
    assert names_in_code() - STORED_EVENTS.keys() - LOGGED_EVENTS.keys() == set()


def test_no_event_is_documented_that_nothing_writes() -> None:
    texts = "\n".join(
        path.read_text()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path.name != "events.py" and "cli" not in path.parts and "testing" not in path.parts
    )
    # Some names are put together or handed on: tool_outputs.{refused,unknown}, run.created and run.adopted.
    built = {"tool_outputs.refused", "tool_outputs.unknown"}

    assert {name for name in {**STORED_EVENTS, **LOGGED_EVENTS} if f'"{name}"' not in texts} == built


def test_the_readme_lists_every_event_with_its_meaning() -> None:
    readme = (ROOT / "README.md").read_text()

    rows = {name: f"| `{name}` | {meaning} |" for name, meaning in {**STORED_EVENTS, **LOGGED_EVENTS}.items()}

    assert [name for name, row in rows.items() if row not in readme] == []
