"""A provider that pushes back is left alone by every worker at once, and no other profile's runs are held up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import ROOT
from threadrun import Outcome
from threadrun.testing import LocalStack, RunServer
from threadrun.testing.effects import Effect
from threadrun.testing.faults import Fault, FaultPlan, FaultRule, Moment

PATIENCE_SECONDS = 30
PAUSE_SECONDS = 5.0


@pytest.fixture(scope="module")
def silent() -> Iterator[RunServer]:
    """A provider that takes requests and never answers."""
    with RunServer(faults=FaultPlan([FaultRule(fault=Fault.SILENCE, when=Moment.BEFORE)])) as server:
        yield server


@pytest.fixture(scope="module")
def busy() -> Iterator[RunServer]:
    """A provider that wants no request for a minute."""
    with RunServer(faults=FaultPlan([FaultRule(fault=Fault.RATE_LIMITED, seconds=60)])) as server:
        yield server


@pytest.fixture(scope="module")
def crowd(silent: RunServer, busy: RunServer) -> Iterator[LocalStack]:
    """Two workers, and three profiles at three servers."""
    env = {
        "THREADRUN_PROFILES__SILENT__BASE_URL": silent.base_url,
        "THREADRUN_PROFILES__SILENT__REQUEST_DEADLINE_SECONDS": "3",
        "THREADRUN_PROFILES__BUSY__BASE_URL": busy.base_url,
    }
    with LocalStack(checkout=ROOT, runs_workers=2, tools_workers=0, env=env) as stack:
        yield stack


def until(true: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def posts(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if effect.method == "POST"]


@pytest.mark.parametrize(("profile", "asked"), [("silent", 10), ("busy", 1)])
def test_a_profile_whose_provider_hangs_or_is_paused_does_not_slow_anothers_runs(
    crowd: LocalStack, profile: str, asked: int, request: pytest.FixtureRequest
) -> None:
    server: RunServer = request.getfixturevalue(profile)
    for _ in range(60):
        crowd.client.enqueue("asst_demo", messages="say Hello.", profile=profile)
    until(lambda: len(server.log) >= asked)  # many hang; the first who is refused may stop all others
    began = time.monotonic()
    runs = [crowd.client.enqueue("asst_demo", messages="say Hello.") for _ in range(10)]
    records = [run.wait(PATIENCE_SECONDS) for run in runs]

    assert {record.outcome for record in records} == {Outcome.COMPLETED}
    assert time.monotonic() - began < 25  # about 2 s alone; who is held up waits for 60 s


def test_a_paused_profile_is_asked_no_more(crowd: LocalStack, busy: RunServer) -> None:
    asked = len(busy.log)
    time.sleep(1)

    assert len(busy.log) == asked <= 2 * 20  # what was under way, of two workers, when the first was refused


def test_a_429_seen_by_one_worker_is_honoured_by_another_that_never_saw_it(crowd: LocalStack) -> None:
    rule = FaultRule(fault=Fault.RATE_LIMITED, operation="create_thread", nth=1, seconds=PAUSE_SECONDS)
    crowd.control.set_faults(FaultPlan([rule]))
    before = crowd.control.effects()[-1].number
    first = crowd.client.enqueue("asst_demo", messages="say Hello.")
    until(lambda: paused(crowd, 0) or paused(crowd, 1))
    crowd.kill("runs", 0 if paused(crowd, 0) else 1)
    others = [crowd.client.enqueue("asst_demo", messages="say Hello.") for _ in range(10)]
    records = [run.wait(PATIENCE_SECONDS) for run in (first, *others)]

    assert {record.outcome for record in records} == {Outcome.COMPLETED}
    refused, *sent = posts(crowd.control.effects(after=before))
    assert refused.fault == "rate_limited"
    assert min(effect.time for effect in sent) >= refused.time + PAUSE_SECONDS


def paused(stack: LocalStack, at: int) -> bool:
    """Tell whether this worker said that the default profile is paused."""
    lines = stack.logs("runs", at).splitlines()
    return any("profile.paused" in line and '"default"' in line for line in lines)
