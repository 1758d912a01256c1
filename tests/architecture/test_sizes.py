"""The house rules that can be counted: sizes, names of files, docstrings of modules, leftovers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("threadrun", "config", "worker", "tasks")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50
NO_NOUN = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "core"}

FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def too_long(tree: ast.Module) -> list[str]:
    return [
        node.name for node in functions(tree) if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_holds_one_noun_and_no_long_function(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)

    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert too_long(tree) == []
    assert path.stem not in NO_NOUN
    assert ast.get_docstring(tree), "a module says what it is"
    assert not re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", text)
    assert not re.search(r"^\s*(import|from) (pickle|dill|cloudpickle)\b", text, re.MULTILINE)


def test_the_tests_keep_the_same_sizes() -> None:
    texts = {name_of(path): path.read_text() for path in TESTS}

    assert [name for name, text in texts.items() if len(text.splitlines()) > MAX_FILE_LINES] == []
    assert {name: found for name, text in texts.items() if (found := too_long(ast.parse(text)))} == {}


def test_every_room_was_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(ROOMS)
