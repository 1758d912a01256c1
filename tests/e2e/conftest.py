"""One whole threadrun for all end-to-end tests, with real processes, real Redis and real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import rabbitmq
from threadrun.testing import LocalStack

collect_ignore = [] if rabbitmq.program() else ["test_rabbitmq.py"]
"""RabbitMQ is not to be had everywhere; the automatic checks install it."""

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

Effects = Callable[[str], Counter[str]]
"""Counts, for a run key, how often each handler was entered."""


@pytest.fixture(scope="session")
def effects_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("effects") / "effects.txt"


# Of the package, not the session: its idle workers would slow the tests that come after.
@pytest.fixture(scope="package")
def stack(effects_file: Path) -> Iterator[LocalStack]:
    env = {"E2E_EFFECTS_FILE": str(effects_file)}
    with LocalStack(["handlers"], checkout=ROOT, paths=[HERE], env=env) as started:
        yield started


@pytest.fixture
def effects(effects_file: Path) -> Effects:
    def count(run_key: str) -> Counter[str]:
        lines = effects_file.read_text().splitlines() if effects_file.exists() else []
        entries = [line.split() for line in lines]
        return Counter(tool for key, tool, *_ in entries if key == run_key)

    return count


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    stacks = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, LocalStack)]
    if report.failed:
        report.sections += [("end of each process's log", stack.log_tails()) for stack in stacks]
    return report
