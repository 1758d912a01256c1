"""A message cannot have a child killed before its handler's own limit."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.status import CallState
from threadrun.tools import ToolContext, ToolRegistry, tool
from worker.handlers import HandlerRuntime


def here() -> str:
    return "entered"


@pytest.mark.parametrize(
    ("hard_limit", "told"), [(0.5, "refused"), (29.9, "refused"), (40.0, "settled"), (None, "settled")]
)
def test_a_shorter_hard_limit_than_the_handlers_is_refused_before_the_call_is_claimed(hard_limit, told):
    house = Ledgerful()
    runtime = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([tool(name="here")(here).tool]))
    at = house.call("here", timeout_seconds=30.0)
    with capture_logs() as logs:
        assert runtime.execute(at, hard_limit) == told
    runtime.close()

    if told == "refused":
        assert [line["event"] for line in logs] == ["tool.refused_limit"]
        assert (house.row(at).state, house.row(at).attempts) == (CallState.PENDING, 0)


@pytest.mark.parametrize(
    ("opened_with", "hard_limit", "promised"),
    [
        pytest.param(1.0, 11.0, 1.0, id="the deploy raised the limit from 1 s"),
        pytest.param(60.0, 70.0, 60.0, id="no deploy between"),
        pytest.param(90.0, 100.0, 60.0, id="the deploy lowered the limit from 90 s"),
        pytest.param(1.0, None, 60.0, id="nobody kills the child"),
    ],
)
def test_a_handler_is_promised_no_time_in_which_its_child_may_be_killed(opened_with, hard_limit, promised):
    seen = []

    @tool(timeout_seconds=60)
    def long(context: ToolContext) -> None:
        seen.append(context.remaining_seconds())

    house = Ledgerful()
    runtime = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([long.tool]))
    at = house.call("long", timeout_seconds=opened_with)
    assert runtime.execute(at, hard_limit) == "settled"
    runtime.close()

    (left,) = seen
    assert promised - 0.5 < left <= promised


def test_a_call_whose_child_would_be_killed_at_once_is_not_claimed():
    house = Ledgerful()
    runtime = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([tool(name="here")(here).tool]))
    at = house.call("here", timeout_seconds=0.5)
    assert runtime.execute(at, 10.0) == "late"
    runtime.close()
    assert (house.row(at).state, house.row(at).attempts) == (CallState.PENDING, 0)
