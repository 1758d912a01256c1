"""A message cannot have a child killed before its handler's own limit."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.status import CallState
from threadrun.tools import ToolRegistry, tool
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
