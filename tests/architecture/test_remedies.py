"""What a text advises can be done: the commands, options, parameters and variables that it names exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from config.settings import Settings
from config.variables import unknown_variables
from threadrun.cli.app import app
from threadrun.client.enqueueing import RunOptions

ROOT = Path(__file__).parents[2]
FILES = [path for room in ("threadrun", "config", "worker", "tasks") for path in (ROOT / room).rglob("*.py")]
VARIABLE = re.compile(r"\bTHREADRUN_[A-Z0-9_]*[A-Z](?<!__X)(?![A-Z_…<{])")  # none whose last part is put in
COMMAND = re.compile(r"`threadrun ([^`]+)`")
PARAMETER = re.compile(r'\b(\w+)="')
OF_NO_SETTING = {"THREADRUN_EMBEDDED_REDIS"}


def words(node: ast.AST) -> str:
    """Read a text; what is put into a formatted one reads as a word."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(words, node.values))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "X"


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield words(node)


def options_of(command: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    yield name, {option for parameter in command.params for option in parameter.opts}
    for word, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, f"{name} {word}".strip())


OPTIONS = dict(options_of(typer.main.get_command(app)))
GROUPS = {name.split()[0] for name in OPTIONS if " " in name}


def can_be_run(line: str) -> bool:
    said = line.split()
    name = " ".join(said[: 2 if said[0] in GROUPS and said[1:] else 1]) if said[0][0] != "-" else ""
    given = {word for word in said if word.startswith("-")} - {"--help"}
    return all(of in OPTIONS and given <= OPTIONS[of] for of in alternatives(name))


def alternatives(name: str) -> list[str]:
    """Read `quarantine list|release` as two commands."""
    *group, last = name.split(" ")
    return [" ".join((*group, word)) for word in last.split("|")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_options_and_variables_exist(path: Path) -> None:
    said = [*texts(path)]
    commands = [line for text in said for line in COMMAND.findall(text)]
    variables = {name for text in said for name in VARIABLE.findall(text)} - OF_NO_SETTING
    assert [line for line in commands if not can_be_run(line)] == []
    assert [*unknown_variables(Settings, variables)] == []


def test_the_parameters_that_errors_name_are_those_of_enqueue() -> None:
    named = {name for text in texts(ROOT / "threadrun/errors.py") for name in PARAMETER.findall(text)}
    assert named
    assert named <= {*RunOptions.__annotations__}


@pytest.mark.parametrize("line", ["quarantine mend KEY", "purge --run-key KEY", "watch", "show --verbose"])
def test_what_does_not_exist_is_found(line: str) -> None:
    assert not can_be_run(line)
