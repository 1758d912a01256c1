"""A base URL that leads past the API is an operator's mistake: runs wait for its correction, and none is lost."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.conftest import ROOT
from threadrun.cli.doctor_checks import judge
from threadrun.keys import Keys
from threadrun.redis_clients import connect
from threadrun.status import Stage
from threadrun.testing import LocalStack

BASE_URL = "THREADRUN_PROFILES__DEFAULT__BASE_URL"


def until(true: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_runs_before_and_after_a_wrong_base_url_are_carried_on_once_it_is_corrected() -> None:
    with LocalStack(tools_workers=0, checkout=ROOT) as stack:
        begun = stack.client.enqueue("asst_demo", messages="think 2\nsay begun")
        until(lambda: begun.get().stage is Stage.POLL)
        stack.stop("runs")
        right, stack.env[BASE_URL] = stack.env[BASE_URL], stack.env[BASE_URL].replace("/v1", "/v2")
        wrong = stack.start("runs")
        new = stack.client.enqueue("asst_demo", messages="say new")

        until(lambda: all(stack.client.waits_for(run.key).held == "no_route" for run in (begun, new)))
        findings = [one for check in judge(stack.client.survey(), Keys()) for one in check.findings]
        assert [one.message for one in findings if BASE_URL in one.message]

        stack.stop("runs", wrong)
        stack.env[BASE_URL] = right
        stack.start("runs")
        with connect(stack.redis_url) as redis:  # held runs are looked at each 30 s; here at once
            for run in (begun, new):
                redis.zadd(Keys().agenda(run.get().stage, "default"), {run.key: 0})
        assert [run.wait(60).output_text for run in (begun, new)] == ["begun", "new"]
