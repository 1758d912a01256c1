"""A handler asks whether its run is to be cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.unit.call_in_tools import WORKER, Ledgerful
from threadrun.tools import ToolContext, ToolRegistry, tool
from worker.handlers import HandlerRuntime
from worker.store.ledger import CallAddress


@pytest.fixture
def house() -> Ledgerful:
    return Ledgerful()


def test_a_handler_can_ask_whether_its_run_is_to_be_cancelled(house):
    answers: list[bool] = []

    def ask(ctx: ToolContext) -> str:
        answers.append(ctx.ask_cancelled())
        house.client.cancel(ctx.run_key)
        answers.append(ctx.ask_cancelled())
        return "stopped early"

    asking = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([tool(name="asking")(ask).tool]))
    at = house.call("asking")
    asking.execute(at)

    assert answers == [False, True]
    assert house.row(at).output == "stopped early"
    asking._runner.close()


def test_a_run_that_left_the_stage_counts_as_cancelled_for_its_handlers(house):
    def ask(ctx: ToolContext) -> bool:
        house.leave_tools()
        return ctx.cancelled()

    asking = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([tool(name="leaving")(ask).tool]))
    told: list[str] = []
    settle = asking._ledger.settle

    def keep(at: CallAddress, token: str, result: Any, *rest: str, **named: Any) -> Any:
        told.append(result.output)
        return settle(at, token, result, *rest, **named)

    asking._ledger.settle = keep
    asking.execute(house.call("leaving"))

    assert told == ["true"]
    asking._runner.close()


def test_a_redis_that_does_not_answer_that_question_does_not_fail_the_handler(house, monkeypatch):
    def down(*_args: Any) -> Any:
        raise RedisConnectionError("gone")

    def ask(ctx: ToolContext) -> bool:
        with monkeypatch.context() as cut:
            cut.setattr(house.redis, "hmget", down)
            return ctx.cancelled()

    asking = HandlerRuntime(house.redis, house.keys, WORKER, ToolRegistry([tool(name="cut_off")(ask).tool]))
    at = house.call("cut_off")
    asking.execute(at)

    assert house.row(at).output == "false"
    asking._runner.close()
