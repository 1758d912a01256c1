"""The README names, for each guarantee, tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SECTION = README.partition("## Guarantees")[2].partition("\n## ")[0]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", SECTION)))


def test_each_guarantee_names_tests() -> None:
    rows = [line for line in SECTION.splitlines() if re.match(r"\| \d ", line)]

    assert [row.split("|")[1].strip() for row in rows] == ["1", "2", "3", "4", "5"]
    assert all("`tests/" in row for row in rows)


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_is_there(named: str) -> None:
    path, _, name = named.partition("::")

    assert f"def {name}(" in (ROOT / path).read_text() if name else (ROOT / path).exists()
