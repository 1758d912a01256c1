"""The README's tables say what the code says, row by row; and its first program comes early."""

from __future__ import annotations

from pathlib import Path

from config.reference import setting_rows
from threadrun.keys import KEY_DOCS

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_setting_stands_there_with_its_default_and_meaning() -> None:
    assert [str(row) for row in setting_rows() if str(row) not in README] == []


def test_no_setting_stands_there_that_does_not_exist() -> None:
    known = {row.variable for row in setting_rows()}
    rows = {line.split("`")[1] for line in README.splitlines() if line.startswith("| `THREADRUN_")}

    assert rows == known


def test_every_key_stands_there() -> None:
    rows = [
        f"| `{d.pattern}` | {d.type} | {d.life} | {d.writer} | {d.reader} | {d.holds} |" for d in KEY_DOCS
    ]

    assert [row for row in rows if row not in README] == []


def test_the_first_running_program_begins_before_line_30() -> None:
    lines = README.splitlines()
    first = lines.index("```python")

    assert first < 30
    assert "__main__" in "\n".join(lines[first : lines.index("```", first)])


def test_every_setting_is_used() -> None:
    """A setting that nothing reads would be a promise that nobody keeps."""
    root = Path(__file__).parents[2]
    definitions = {"sections.py", "profile.py", "reference.py"}
    texts = "\n".join(
        path.read_text()
        for room in ("config", "worker", "tasks")
        for path in (root / room).rglob("*.py")
        if path.name not in definitions
    )
    names = {row.variable.removeprefix("THREADRUN_").split("__")[-1].lower() for row in setting_rows()}

    assert {name for name in names if f".{name}" not in texts} == set()
